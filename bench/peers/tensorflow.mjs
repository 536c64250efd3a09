/** TensorFlow.js as a peer: tensorflow.mjs BACKEND train|infer SETUP BATCH. Maps are [B, H, W, C] here. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { forward, readSetup, report, takeBatch } from './network.mjs';

const [backend, kind, file, batchSize] = process.argv.slice(2);
await tf.setBackend(backend);
await tf.ready();

const setup = readSetup(file);
const batch = takeBatch(setup, Number(batchSize));
const shapes = new Map([...setup].map(([name, { shape }]) => [name, shape]));
const weights = new Map();
for (const [name, { shape, data }] of setup) {
  const tensor = tf.tensor(data, shape, 'float32');
  // [O, C, kh, kw] -> [kh, kw, C, O]; linear [O, C] -> [C, O]
  const perm = { 4: [2, 3, 1, 0], 2: [1, 0] }[shape.length];
  const value = perm ? tensor.transpose(perm) : tensor;
  const learned = name.endsWith('weight') || name.endsWith('bias');
  weights.set(name, learned && kind === 'train' ? tf.variable(value, true, name) : value);
}
const images = tf.tensor(batch.images.data, batch.images.shape).transpose([0, 2, 3, 1]);
const labels = tf.oneHot(tf.tensor1d(batch.labels, 'int32'), 10).toFloat();

const ops = {
  conv(x, name, stride) {
    // Explicit, as 'same' pads a strided convolution on the other side than PyTorch.
    const pad = (shapes.get(name)[2] - 1) / 2;
    const pads = [
      [0, 0],
      [pad, pad],
      [pad, pad],
      [0, 0],
    ];
    return tf.conv2d(pad === 0 ? x : tf.pad(x, pads), weights.get(name), stride, 'valid');
  },
  norm(x, name) {
    const get = (part) => weights.get(`${name}.${part}`);
    const { mean, variance } =
      kind === 'train'
        ? tf.moments(x, [0, 1, 2])
        : { mean: get('running_mean'), variance: get('running_var') };
    return tf.batchNorm(x, mean, variance, get('bias'), get('weight'), 1e-5);
  },
  relu: (x) => tf.relu(x),
  add: (x, y) => tf.add(x, y),
  keep: (x) => x,
  shortcut(x, from, to) {
    const before = Math.floor((to - from) / 2);
    return tf.pad(tf.maxPool(x, 1, 2, 'valid'), [
      [0, 0],
      [0, 0],
      [0, 0],
      [before, to - from - before],
    ]);
  },
  head: (x) =>
    tf.add(tf.matMul(tf.mean(x, [1, 2]), weights.get('linear.weight')), weights.get('linear.bias')),
};

if (kind === 'infer') {
  await report(() =>
    tf.tidy(() => Array.from(forward(ops, shapes, images).dataSync().slice(0, 10))),
  );
} else {
  const optimizer = tf.train.momentum(0.01, 0.9);
  await report(async () => {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, forward(ops, shapes, images)),
      true,
    );
    const [value] = await loss.data();
    loss.dispose();
    return [value];
  });
}

/**
 * jax-js as a peer: jax.mjs BACKEND train|infer SETUP BATCH. A function there uses up its arguments;
 * `.ref` keeps one for further use.
 */
import { defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { forward, readSetup, report, takeBatch } from './network.mjs';

const [backend, kind, file, batchSize] = process.argv.slice(2);
await init(backend);
defaultDevice(backend);

const setup = readSetup(file);
const batch = takeBatch(setup, Number(batchSize));
const shapes = new Map([...setup].map(([name, { shape }]) => [name, shape]));
const array = ({ shape, data }) => np.array(data).reshape(shape);
const learned = {};
const statistics = {};
for (const [name, value] of setup) {
  if (name.includes('running_')) statistics[name] = array(value);
  else if (!name.endsWith('num_batches_tracked')) learned[name] = array(value);
}
const images = array(batch.images);
const labels = nn.oneHot(np.array(batch.labels, { dtype: np.int32 }), 10);

/** Operations on the weights `values`, each of which is used up. */
function operations(values) {
  const perChannel = (a) => a.reshape([1, a.shape[0], 1, 1]);
  return {
    conv(x, name, stride) {
      const pad = (shapes.get(name)[2] - 1) / 2;
      return lax.conv(
        x,
        values[name],
        [stride, stride],
        [
          [pad, pad],
          [pad, pad],
        ],
      );
    },
    norm(x, name) {
      const [weight, bias] = [
        perChannel(values[`${name}.weight`]),
        perChannel(values[`${name}.bias`]),
      ];
      let mean;
      let variance;
      if (kind === 'train') {
        mean = np.mean(x.ref, [0, 2, 3], { keepdims: true });
        variance = np.mean(np.square(x.ref.sub(mean.ref)), [0, 2, 3], { keepdims: true });
      } else {
        mean = perChannel(values[`${name}.running_mean`]);
        variance = perChannel(values[`${name}.running_var`]);
      }
      return x
        .sub(mean)
        .mul(weight.div(np.sqrt(variance.add(1e-5))))
        .add(bias);
    },
    relu: (x) => nn.relu(x),
    add: (x, y) => x.add(y),
    keep: (x) => x.ref,
    shortcut(x, from, to) {
      const before = Math.floor((to - from) / 2);
      const [B, C, H, W] = x.shape;
      const half = x.reshape([B, C, H / 2, 2, W / 2, 2]).slice([], [], [], 0, [], 0);
      return np.pad(half, [
        [0, 0],
        [before, to - from - before],
        [0, 0],
        [0, 0],
      ]);
    },
    head: (x) =>
      np.matmul(np.mean(x, [2, 3]), values['linear.weight'].transpose()).add(values['linear.bias']),
  };
}

const refs = (values) => tree.ref(values);

if (kind === 'infer') {
  const logits = jit((values, x) => forward(operations(values), shapes, x));
  await report(async () => {
    const y = logits(refs({ ...learned, ...statistics }), images.ref);
    return Array.from(await y.data()).slice(0, 10);
  });
} else {
  const loss = (values, x, target) =>
    nn
      .logSoftmax(forward(operations(values), shapes, x))
      .mul(target)
      .sum()
      .mul(-1 / batch.labels.length);
  const gradient = jit(valueAndGrad(loss));
  let values = learned;
  let momentum = tree.map((a) => np.zeros(a.shape), learned);
  await report(async () => {
    const [value, slopes] = gradient(refs(values), images.ref, labels.ref);
    const moved = {};
    const kept = {};
    for (const [name, slope] of Object.entries(slopes)) {
      const direction = momentum[name].mul(0.9).add(slope.add(values[name].ref.mul(1e-4)));
      kept[name] = direction.ref;
      moved[name] = values[name].sub(direction.mul(0.01));
    }
    [values, momentum] = [moved, kept];
    for (const array of Object.values(values)) await array.blockUntilReady();
    return Array.from(await value.data());
  });
}

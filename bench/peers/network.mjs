/**
 * The networks of Fovea's src/models, written once for the JavaScript peers. Each library brings its
 * own operations; the architecture is read from the names in the file of weights (../setup.ts).
 */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/** Tensors of a safetensors file: name to {shape, data}. */
export function readSetup(path) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  const tensors = new Map();
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [begin, end],
    },
  ] of Object.entries(header)) {
    const part = Uint8Array.from(bytes.subarray(8 + length + begin, 8 + length + end)).buffer;
    const data = dtype === 'F32' ? new Float32Array(part) : new Int32Array(part);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** The first `batch` images and labels of a setup; takes them out of it. */
export function takeBatch(tensors, batch) {
  const [images, labels] = ['input.images', 'input.labels'].map((name) => tensors.get(name));
  tensors.delete('input.images');
  tensors.delete('input.labels');
  const shape = [batch, ...images.shape.slice(1)];
  const size = shape.reduce((a, b) => a * b);
  return {
    images: { shape, data: images.data.slice(0, size) },
    labels: labels.data.slice(0, batch),
  };
}

/**
 * Builds logits from images.
 * @param ops `conv(x, name, stride)`, `norm(x, name)`, `relu`, `add`, `keep` (x is used once more),
 *   `shortcut(x, from, to)` (every second row and column, channels of zeros on both sides), `head(x)`
 * @param shapes of the weights, by state_dict name
 */
export function forward(ops, shapes, images) {
  let x = ops.relu(ops.norm(ops.conv(images, 'conv1.weight', 1), 'bn1'));
  for (let stage = 1; shapes.has(`layer${stage}.0.conv1.weight`); stage++) {
    for (let i = 0; shapes.has(`layer${stage}.${i}.conv1.weight`); i++) {
      const block = `layer${stage}.${i}`;
      const stride = stage > 1 && i === 0 ? 2 : 1;
      const [to, from] = shapes.get(`${block}.conv1.weight`);
      let skip = ops.keep(x);
      if (shapes.has(`${block}.shortcut.0.weight`)) {
        skip = ops.norm(
          ops.conv(skip, `${block}.shortcut.0.weight`, stride),
          `${block}.shortcut.1`,
        );
      } else if (stride === 2) {
        skip = ops.shortcut(skip, from, to);
      }
      x = ops.relu(ops.norm(ops.conv(x, `${block}.conv1.weight`, stride), `${block}.bn1`));
      x = ops.norm(ops.conv(x, `${block}.conv2.weight`, 1), `${block}.bn2`);
      x = ops.relu(ops.add(x, skip));
    }
  }
  return ops.head(x);
}

/**
 * Runs a step again and again for a while, after once to warm up, and prints what came of it. A step
 * that is very slow is run once only.
 */
export async function report(step) {
  const timed = async () => {
    const start = performance.now();
    const check = await step();
    return { seconds: (performance.now() - start) / 1000, check };
  };
  try {
    const first = await timed();
    // Said at once, for the case that a time limit ends the process: the last line counts.
    console.log(JSON.stringify(first));
    if (first.seconds > 20) return;
    const times = [];
    for (let spent = 0; spent < 2; spent += times.at(-1)) times.push((await timed()).seconds);
    const seconds = times.sort((a, b) => a - b)[times.length >> 1];
    console.log(JSON.stringify({ seconds, check: first.check }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message.split('\n')[0] }));
  }
}

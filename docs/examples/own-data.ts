/** A data set of one's own: stripes that lie, stand or lean, made as arrays of pixels. */
import { adamw, classification, constantRate, createModel, imageDataset } from 'fovea';
import { RandomStream, type Split } from 'fovea';
import { defineDataset, fit } from 'fovea/node';

const classes = ['lying', 'standing', 'leaning'];

function makeStripes(count: number, split: Split, side: number) {
  const random = new RandomStream(0, `stripes of ${split}`);
  const images = new Uint8Array(count * side * side);
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes.length);
  for (const [i, label] of labels.entries()) {
    const [phase, period] = [random.uniform() * 8, 4 + random.uniform() * 4];
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const along = [y, x, (x + y) / Math.SQRT2][label] ?? 0;
        const wave = Math.sin((2 * Math.PI * (along + phase)) / period);
        images[(i * side + y) * side + x] = 128 + 60 * wave + 60 * (random.uniform() - 0.5);
      }
    }
  }
  const shape = { channels: 1, height: side, width: side };
  return imageDataset({ name: 'stripes', split, images, labels, classes, ...shape });
}

export const stripes = defineDataset({
  id: 'stripes',
  title: 'Lying, standing and leaning stripes',
  source: 'made by own-data.js',
  load: ({ size = [32, 32], limitTrain = 1000, limitVal = 200 }) => {
    const [side] = typeof size === 'number' ? [size] : size;
    const train = makeStripes(limitTrain, 'train', side);
    const val = makeStripes(limitVal, 'val', side);
    const { normalization } = train;
    return Promise.resolve({ train, val: { ...val, normalization }, notes: [] });
  },
});

if (process.argv[1] === import.meta.filename) {
  const { train, val } = await stripes.load({ size: 24 });
  const model = createModel('resnet20', { width: 4, classes: 3, channels: 1, seed: 1 });
  const { metrics } = await fit(
    model,
    { train, val },
    {
      task: classification(),
      epochs: Number(process.argv[2] ?? 6),
      batchSize: 32,
      optimizer: adamw(),
      schedule: constantRate(0.003),
      seed: 1,
    },
  );
  console.log(metrics.at(-1));
}

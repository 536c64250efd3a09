/** A task of one's own: how much of an image its object covers, a regression, with data that know it. */
import { adamw, constantRate, createModel, field, imageDataset, makeShapes } from 'fovea';
import { task, type Split } from 'fovea';
import { defineDataset, fit } from 'fovea/node';

export const coverage = task({
  id: 'coverage',
  inputs: { images: field.image(), share: field.values('share', [1]) },
  outputs: 1,
  loss: (guess, { share }) => guess.sub(share).square().mean(), // [B, 1] -> []
  metrics: { error: (guess, { share }) => guess.sub(share).abs().mul(100) },
  primary: { name: 'error', title: 'mean error of the share', unit: '%', better: 'lower' },
  predict: (guess) => ({ share: guess }),
});

/** The embedded shapes, and how much of each image its shape covers: [N, 1]. */
function measuredShapes(size: number, split: Split) {
  const { masks = new Uint8Array(), ...shapes } = makeShapes({ size, split });
  const plane = shapes.height * shapes.width;
  const share = Float32Array.from({ length: size }, (_, i) => {
    const mask = masks.subarray(i * plane, (i + 1) * plane);
    return mask.filter((pixel) => pixel > 0).length / plane;
  });
  return imageDataset({ ...shapes, name: 'measured-shapes', values: { share } });
}

export const measured = defineDataset({
  id: 'measured-shapes',
  title: 'The embedded shapes and their sizes',
  source: 'made by own-task.js',
  load: ({ limitTrain = 1000, limitVal = 200 }) =>
    Promise.resolve({
      train: measuredShapes(limitTrain, 'train'),
      val: measuredShapes(limitVal, 'val'),
      notes: [],
    }),
});

if (process.argv[1] === import.meta.filename) {
  const model = createModel('resnet20', { width: 4, classes: 1, seed: 1 });
  const { metrics } = await fit(model, await measured.load({}), {
    task: coverage,
    epochs: Number(process.argv[2] ?? 6),
    batchSize: 32,
    optimizer: adamw(),
    schedule: constantRate(0.003),
    seed: 1,
  });
  console.log(metrics.at(-1));
}

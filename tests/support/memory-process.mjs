/**
 * `node --expose-gc memory-process.mjs COUNT` trains a small network for so many steps, with an
 * evaluation and a checkpoint after every 50. Prints the resident size in bytes, without V8's free
 * pages, after every 10th step, as a JSON array.
 */
import {
  BatchNorm2d,
  classification,
  constantRate,
  Conv2d,
  createRuntime,
  Dropout,
  fit,
  Flatten,
  Linear,
  makeShapes,
  ReLU,
  Sequential,
  sgd,
  standardAugmentation,
  writeCheckpoint,
} from '../../dist/node.js';

const samples = [];
function sample() {
  // After the garbage is gone, and less the pages that V8 keeps for new objects, whose number it
  // changes by tens of megabytes as it likes: what could leak is all the rest.
  globalThis.gc();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  samples.push(rss - (heapTotal - heapUsed));
}

async function steps(count) {
  const model = new Sequential(
    new Conv2d(3, 8, 3, { stride: 2 }),
    new BatchNorm2d(8),
    new ReLU(),
    new Conv2d(8, 16, 3, { stride: 4 }),
    new BatchNorm2d(16),
    new ReLU(),
    new Flatten(),
    new Dropout(0.3),
    new Linear(256, 10),
  ).initialize(1);
  const data = { train: makeShapes({ size: 400 }), val: makeShapes({ size: 20, split: 'val' }) };
  const runtime = await createRuntime('cpu', { threads: 1 });
  let done = 0;
  await fit(model, data, {
    runtime,
    task: classification(),
    augment: standardAugmentation(),
    epochs: Math.ceil(count / 50),
    batchSize: 8,
    optimizer: sgd({}),
    schedule: constantRate(0.01),
    seed: 1,
    onStep: ({ phase }) => {
      if (phase === 'train' && ++done % 10 === 0) sample();
    },
    onCheckpoint: async (position, state) => {
      await writeCheckpoint(await state.read(), position);
    },
  });
  await runtime.close();
}

await steps(Number(process.argv[2]));
process.stdout.write(JSON.stringify(samples));

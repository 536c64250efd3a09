/**
 * Ten training steps of a small residual network with Squeeze-and-Excitation on fixed data: what
 * the devices are compared by. Runs in Node and in a browser.
 */
import { SqueezeExcite } from '../../src/attention/index.js';
import type { DataInfo } from '../../src/data/dataset.js';
import { BatchNorm2d, Conv2d, Linear, Module } from '../../src/nn/index.js';
import { sgd } from '../../src/optim/index.js';
import { RandomStream } from '../../src/random/index.js';
import type { HostTensors } from '../../src/runtime/engine.js';
import type { Runtime } from '../../src/runtime/runtime.js';
import { classification } from '../../src/tasks/classification.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { floatOutput, initialState, trainingStep } from '../../src/training/step.js';

const STEPS = 10;
const BATCH = 8;
const CLASSES = 4;
const INFO: DataInfo = {
  name: 'noise',
  classes: Array.from({ length: CLASSES }, (_, k) => `class ${k}`),
  channels: 3,
  height: 8,
  width: 8,
  normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
};

/** Stem, one residual block with SE that halves the map, head. */
class TinyNet extends Module {
  readonly stem = new Conv2d(3, 8, 3, { padding: 1, bias: false });
  readonly norm = new BatchNorm2d(8);
  readonly conv1 = new Conv2d(8, 16, 3, { stride: 2, padding: 1, bias: false });
  readonly bn1 = new BatchNorm2d(16);
  readonly conv2 = new Conv2d(16, 16, 3, { padding: 1, bias: false });
  readonly bn2 = new BatchNorm2d(16);
  readonly se = new SqueezeExcite(16, { ratio: 4 });
  readonly shortcut = new Conv2d(8, 16, 1, { stride: 2, bias: false });
  readonly head = new Linear(16, CLASSES);

  override forward(images: Tensor): Tensor {
    const x = this.norm.forward(this.stem.forward(images)).relu();
    const inner = this.bn1.forward(this.conv1.forward(x)).relu();
    const gated = this.se.forward(this.bn2.forward(this.conv2.forward(inner)));
    const y = gated.add(this.shortcut.forward(x)).relu();
    return this.head.forward(y.mean([2, 3]));
  }
}

export interface TinyTraining {
  /** Of every step. */
  readonly losses: number[];
  /** Parameters, running statistics and momentum after the last step. */
  readonly state: HostTensors;
}

/** Trains on a device, always from the same values and with the same batches. */
export async function tinyTraining(runtime: Runtime): Promise<TinyTraining> {
  const model = new TinyNet().initialize(5);
  const optimizer = sgd({ momentum: 0.9, weightDecay: 1e-4 });
  const { graph } = trainingStep(classification(), model, optimizer, INFO, {
    batchSize: BATCH,
  });
  const run = await runtime.compile(graph);
  const state = await runtime.createState(initialState(model, optimizer));
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const random = new RandomStream(7, 'images', step);
    const labels = Int32Array.from({ length: BATCH }, () => random.integer(CLASSES));
    const images = new Float32Array(BATCH * 3 * 8 * 8);
    // Each class is a brightness of its own under noise, so that there is something to learn.
    for (const i of images.keys()) {
      images[i] = random.normal() + (labels[Math.floor(i / (3 * 8 * 8))] ?? 0) - 1.5;
    }
    const feeds = { images, labels, lr: Float32Array.of(0.05) };
    const [loss = NaN] = floatOutput(await run.run(feeds, state), 'loss');
    losses.push(loss);
  }
  const values = await state.read();
  await state.dispose();
  await run.dispose();
  return { losses, state: values };
}

/**
 * Every mechanism that keeps its map's shape, in the blocks of a ResNet-20: it trains, it is saved and
 * loaded, and it is exported.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attention } from '../attention/index.js';
import { createModel, type ResNet } from '../models/index.js';
import { sgd } from '../optim/index.js';
import { RandomStream } from '../random/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { faultsOf, runOnnxFile } from '../testing/onnx-file.js';
import { exportOnnx, exposedNames } from '../weights/export-onnx.js';
import { readWeightsFile } from '../weights/read.js';
import { writeSafetensors, type StoredTensor } from '../formats/safetensors.js';
import { evaluationStep, floatOutput, initialState, trainingStep } from './step.js';
import { classification } from '../tasks/classification.js';
import { imagesLike } from '../testing/data-info.js';

/** Images of 16x16: the stages have maps of 16x16, 8x8 and 4x4. */
const IMAGE = [3, 16, 16];
const BATCH = 4;
const CLASSES = 5;
const STEPS = 20;

interface Choice {
  readonly options?: Record<string, number>;
  readonly stages?: readonly number[];
}

/**
 * Where a mechanism is not in all blocks with its defaults. With ratio 16 the thinnest blocks have one
 * hidden unit, whose ReLU may be dead; some mechanisms want maps of a certain size; the largest graphs
 * stand in one stage only, to keep this file quick.
 */
const CHOICES: Readonly<Record<string, Choice>> = {
  se: { options: { ratio: 2 } },
  'gather-excite': { options: { hiddenRatio: 1 / 2 } },
  'cbam-joint': { options: { positions: 16 }, stages: [3] },
  // Four levels of pooling need maps of at least 8x8.
  safm: { stages: [1, 2] },
  mfe: { stages: [2] },
  osra: { stages: [2] },
};

/**
 * Mechanisms that begin as the identity, by a scale that begins at zero, as in their papers. Nothing
 * behind the scale has a gradient until the first step has moved it.
 */
const STARTS_AT_ZERO: Readonly<Record<string, RegExp>> = {
  sagan: /\.gamma$/,
  'non-local': /\.norm\.(weight|bias)$/,
  'danet-position': /\.alpha$/,
};

/** Biases just before a BatchNorm, which takes them away again: their gradient is zero on paper. */
const ZERO_ON_PAPER: Readonly<Record<string, RegExp>> = { 'non-local': /\.output\.bias$/ };

const ids = attention
  .list()
  .filter(({ inputs, keepsShape }) => inputs === 1 && keepsShape)
  .map(({ id }) => id);

function modelWith(id: string, seed: number): ResNet {
  const { options = {}, stages } = CHOICES[id] ?? {};
  return createModel('resnet20', {
    classes: CLASSES,
    seed,
    attention: attention.get(id).with(options),
    ...(stages && { stages }),
  });
}

const images = new RandomStream(1, 'zoo').fillNormal(new Float32Array(BATCH * 3 * 16 * 16), 0, 1);
const labels = Int32Array.from({ length: BATCH }, (_, i) => i % CLASSES);

/** The first images of the batch. */
function firstImages(count: number): NdArray {
  return ndarray([count, ...IMAGE], images.subarray(0, (count * images.length) / BATCH));
}

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

/** Trains on one batch: the losses, and what had no gradient in the first step and in the first three. */
async function trainOnOneBatch(model: ResNet) {
  // The momentum starts at zero, so after the first step it is the gradient.
  const optimizer = sgd({ momentum: 0.9 });
  const { graph } = trainingStep(classification(), model, optimizer, imagesLike(IMAGE), {
    batchSize: BATCH,
  });
  const run = await runtime.compile(graph);
  const state = await runtime.createState(initialState(model, optimizer));
  const names = [...model.namedParameters()].map(([name]) => name);
  const losses: number[] = [];
  const without: string[][] = [];
  for (let step = 0; step <= STEPS; step++) {
    const outputs = await run.run({ images, labels, lr: Float32Array.of(0.01) }, state);
    losses.push(floatOutput(outputs, 'loss')[0] ?? NaN);
    if (step > 2) continue;
    const values = await state.read();
    without.push(
      names.filter(
        (name) =>
          !floatOutput(values, `optimizer.momentum_buffer.${name}`).some((value) => value !== 0),
      ),
    );
  }
  const values = await state.read();
  model.takeStateValues(values);
  await state.dispose();
  await run.dispose();
  return { losses, without, values };
}

/** What a model answers to the batch: probabilities. */
async function answerOf(model: ResNet): Promise<Float32Array> {
  const { graph } = evaluationStep(classification(), model, imagesLike(IMAGE), {
    batchSize: BATCH,
    predictions: true,
  });
  const run = await runtime.compile(graph);
  const state = await runtime.createState(model.stateValues());
  const answer = floatOutput(await run.run({ images, labels }, state), 'prediction.probabilities');
  await state.dispose();
  await run.dispose();
  return answer;
}

/** The softmax of each row of so many logits. */
function softmaxRows(logits: readonly number[], classes: number): number[] {
  return Array.from({ length: logits.length / classes }, (_, row) => {
    const powers = logits.slice(row * classes, (row + 1) * classes).map(Math.exp);
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  }).flat();
}

function saved(model: ResNet): Uint8Array {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { shape, data }] of model.stateDict()) {
    tensors.set(
      name,
      data instanceof Float32Array ? { dtype: 'F32', shape, data } : { dtype: 'I64', shape, data },
    );
  }
  return writeSafetensors(tensors);
}

function loaded(id: string, file: Uint8Array): ResNet {
  const { tensors } = readWeightsFile(file, 'zoo');
  const state = [...tensors].map(([name, { shape, data }]) => {
    if (data instanceof Float32Array || data instanceof BigInt64Array)
      return [name, { shape, data }] as const;
    throw new TypeError(name);
  });
  return modelWith(id, 2).loadStateDict(new Map(state));
}

describe('every mechanism in a ResNet-20', () => {
  it('is tried, if it keeps the shape of its map', () => {
    expect(ids.length).toBeGreaterThan(15);
    const named = [...Object.keys(CHOICES), ...Object.keys(STARTS_AT_ZERO)];
    expect(ids).toEqual(expect.arrayContaining(named));
  });

  it.each(ids)(
    '%s trains, is saved and loaded, and is exported',
    async (id) => {
      const model = modelWith(id, 1);
      const { losses, without, values } = await trainOnOneBatch(model);
      expect(losses.every(Number.isFinite), `losses ${losses.join(' ')}`).toBe(true);
      expect(losses.at(-1)).toBeLessThan(losses[0] ?? NaN);
      for (const [name, { data }] of Object.entries(values)) {
        expect(data.every(Number.isFinite), `${name} is finite`).toBe(true);
      }

      const [atFirst = [], , later] = without;
      const scale = STARTS_AT_ZERO[id];
      const mayWait = atFirst.filter((name) => name.includes('.attention.') && !scale?.test(name));
      expect(atFirst, 'without a gradient in the first step').toEqual(scale ? mayWait : []);
      expect(atFirst.length > 0).toBe(scale !== undefined);
      const never = later?.filter((name) => !ZERO_ON_PAPER[id]?.test(name));
      expect(never, 'without a gradient in the first three steps').toEqual([]);

      const answer = await answerOf(model);
      const again = loaded(id, saved(model));
      expect(await answerOf(again)).toEqual(answer);

      const file = exportOnnx(again, { image: IMAGE, expose: ['*'] });
      expect(faultsOf(file)).toEqual([]);
      const batches = [BATCH, 3, 1].map(firstImages);
      for (const outputs of await runOnnxFile(file, 'images', batches)) {
        const { logits: exported, ...maps } = outputs;
        const told = softmaxRows(Array.from(exported?.data ?? [], Number), CLASSES);
        const errors = told.map((value, i) => Math.abs(value - (answer[i] ?? NaN)));
        expect(Math.max(...errors)).toBeLessThan(1e-5);
        expect(Object.keys(maps)).toEqual(exposedNames(again, IMAGE));
      }
    },
    120_000,
  );
});

import { readFileSync } from 'node:fs';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { createModel } from '../models/index.js';
import {
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  record,
  ReLU,
  Sequential,
  type Layer,
  type StateEntry,
} from '../nn/index.js';
import { input } from '../ops/index.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { randomArray } from '../testing/values.js';
import { floatOutput } from '../training/step.js';
import { gradCam, lastFeatureMap } from './grad-cam.js';
import { resizePlane } from './plane.js';

interface Stored {
  readonly shape: number[];
  readonly values: number[];
}

/** By tests/fixtures/make-torch-numbers.py. */
interface TorchNumbers {
  readonly input: Stored;
  readonly state: Readonly<Record<string, Stored>>;
  readonly classes: number[];
  readonly logits: Stored;
  readonly cam: Stored;
  readonly resized: Stored;
}

const torch = JSON.parse(
  readFileSync(new URL('../../tests/fixtures/torch-grad-cam.json', import.meta.url), 'utf8'),
) as TorchNumbers;

function torchNet(): Layer {
  const net = new Sequential(
    new Conv2d(3, 4, 3, { padding: 1 }),
    new BatchNorm2d(4),
    new ReLU(),
    new Conv2d(4, 6, 3, { stride: 2, padding: 1 }),
    new ReLU(),
    new Flatten(),
    new Linear(72, 5),
  );
  const state = Object.entries(torch.state).map(
    ([name, { shape, values }]): [string, StateEntry] => [
      name,
      { shape, data: Float32Array.from(values) },
    ],
  );
  return net.loadStateDict(new Map(state));
}

/** A model's logits and Grad-CAM of the given classes, as graphs. */
function camOf(model: Layer, images: Tensor, labels: Tensor) {
  model.assignPaths();
  const { output: logits } = record(false, () => model.forward(images));
  const features = lastFeatureMap(logits);
  return { logits, features, cam: gradCam(logits, features, labels) };
}

/** Values of a model's inputs for the float64 reference. */
function feedsOf(model: Layer): Map<Tensor, NdArray> {
  return new Map(
    [...model.namedParameters(), ...model.namedBuffers()].map(([, { tensor, shape, data }]) => [
      tensor,
      ndarray(shape, Float64Array.from(data)),
    ]),
  );
}

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime('cpu', { worker: false });
});
afterAll(() => runtime.close());

describe('gradCam', () => {
  it("gives PyTorch's values, by autograd and a retained gradient", async () => {
    const net = torchNet();
    const images = input('images', torch.input.shape);
    const labels = input('labels', [2], 'int32');
    const { logits, cam } = camOf(net, images, labels);
    const run = await runtime.compile({
      inputs: { images, labels },
      outputs: { logits, cam },
      state: net.stateInputs(),
    });
    const outputs = await run.run(
      { images: Float32Array.from(torch.input.values), labels: Int32Array.from(torch.classes) },
      await runtime.createState(net.stateValues()),
    );
    const largest = Math.max(...torch.cam.values);
    floatOutput(outputs, 'logits').forEach((value, i) => {
      expect(value).toBeCloseTo(torch.logits.values[i] ?? NaN, 5);
    });
    expect(cam.shape).toEqual(torch.cam.shape);
    floatOutput(outputs, 'cam').forEach((value, i) => {
      expect(Math.abs(value - (torch.cam.values[i] ?? NaN)) / largest).toBeLessThan(1e-5);
    });
  });

  it('is the class activation map where a mean and a linear layer follow the features', () => {
    // Selvaraju et al., section 3.1: then the weights are those of the linear layer, over the places.
    const net = createModel('resnet20', { width: 4, classes: 3, seed: 2 });
    const images = input('images', [2, 3, 8, 8]);
    const labels = input('labels', [2], 'int32');
    const { features, cam } = camOf(net, images, labels);
    const feeds = feedsOf(net);
    feeds.set(images, randomArray([2, 3, 8, 8], 4));
    feeds.set(labels, ndarray([2], [2, 0]));
    const [maps = ndarray([]), got = ndarray([])] = evaluate([features, cam], feeds);

    expect(features.shape).toEqual([2, 16, 2, 2]);
    const weights = net.linear?.weight.data ?? [];
    const expected = [2, 0].flatMap((label, b) =>
      [0, 1, 2, 3].map((place) => {
        const terms = Array.from(
          { length: 16 },
          (_, k) => (weights[label * 16 + k] ?? 0) * (maps.data[(b * 16 + k) * 4 + place] ?? 0),
        );
        return Math.max(0, terms.reduce((a, c) => a + c) / 4);
      }),
    );
    expect(Math.max(...expected)).toBeGreaterThan(0);
    got.data.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? NaN, 12);
    });
  });

  it('refuses classes that are not one number for each image', () => {
    const logits = input('logits', [2, 5]);
    const features = input('features', [2, 6, 3, 4]);
    expect(() => gradCam(logits, features, input('labels', [3], 'int32'))).toThrow(
      /Expected logits/,
    );
    expect(() => gradCam(logits, features, input('labels', [2]))).toThrow(/int32/);
  });
});

it('there is no last feature map where places are never kept apart', () => {
  const logits = new Sequential(new Flatten(), new Linear(12, 2)).forward(input('x', [1, 3, 2, 2]));
  expect(() => lastFeatureMap(logits)).toThrow('no feature map of more than one place');
});

describe('resizePlane', () => {
  it("gives PyTorch's bilinear values, enlarging by factors that are not whole", () => {
    const [, height = 0, width = 0] = torch.cam.shape;
    const [, , rows = 0, columns = 0] = torch.resized.shape;
    const resized = [0, 1].flatMap((b) => {
      const data = torch.cam.values.slice(b * height * width, (b + 1) * height * width);
      return Array.from(resizePlane({ height, width, data }, rows, columns).data);
    });
    expect(resized).toHaveLength(torch.resized.values.length);
    resized.forEach((value, i) => {
      expect(value).toBeCloseTo(torch.resized.values[i] ?? NaN, 12);
    });
  });

  it('keeps an even map even, to the last bit', () => {
    const data = new Float32Array(15).fill(0.1);
    const { data: resized } = resizePlane({ height: 3, width: 5, data }, 32, 32);
    expect(new Set(Array.from(resized))).toEqual(new Set([Math.fround(0.1)]));
  });
});

import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { RequestError, ShapeError } from '../errors.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { jsonFixture } from '../testing/golden-files.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import {
  crossEntropy,
  diceLoss,
  mixedCrossEntropy,
  pixelCrossEntropy,
  weightedLosses,
  type CrossEntropyOptions,
  type DiceOptions,
} from './index.js';

interface TorchCase<Options> {
  readonly options: Options;
  readonly logits: { readonly shape: number[]; readonly values: number[] };
  readonly masks: number[];
  readonly loss: number;
  readonly losses: number[];
  readonly gradient: number[];
}

function tensorsOf({ logits, masks }: TorchCase<unknown>) {
  const [batch = 1, , ...places] = logits.shape;
  return [
    constant(logits.values, logits.shape),
    constant(masks, [batch, ...places], 'int32'),
  ] as const;
}

function expectClose(
  actual: ArrayLike<number> | undefined,
  expected: readonly number[],
  digits = 7,
) {
  expect(actual?.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(actual?.[i], `element ${i}`).toBeCloseTo(value, digits);
  }
}

const pixelCases = jsonFixture('segmentation/cross-entropy') as TorchCase<CrossEntropyOptions>[];
const diceCases = jsonFixture('segmentation/dice') as TorchCase<DiceOptions>[];

describe('pixelCrossEntropy', () => {
  it.each(pixelCases.map((torch) => [JSON.stringify(torch.options), torch] as const))(
    'with %s agrees with PyTorch: the mean, every pixel, and the gradient',
    (_, torch) => {
      const [logits, masks] = tensorsOf(torch);
      const options = { ignoreIndex: 255, ...torch.options };
      const loss = pixelCrossEntropy(logits, masks, torch.options);
      const each = crossEntropy(logits, masks, { ...options, reduction: 'none' });
      const found = evaluate([loss, each, ...gradients(loss, [logits])]);
      expectClose(found[0]?.data, [torch.loss]);
      expectClose(found[1]?.data, torch.losses);
      expectClose(found[2]?.data, torch.gradient);
    },
  );

  it('is the same on ONNX Runtime', async () => {
    for (const torch of pixelCases) {
      const [logits, masks] = tensorsOf(torch);
      const loss = pixelCrossEntropy(logits, masks, torch.options);
      const [value, gradient] = await evaluateWithOnnx(
        [loss, ...gradients(loss, [logits])],
        new Map(),
      );
      expectClose(value?.data, [torch.loss], 5);
      expectClose(gradient?.data, torch.gradient, 5);
    }
  });

  it('is 0 with a gradient of 0 where no pixel counts', async () => {
    const logits = constant([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]);
    const masks = constant([255, 255, 255, 255], [1, 2, 2], 'int32');
    for (const options of [{}, { classWeights: [1, 2], labelSmoothing: 0.1 }]) {
      const loss = pixelCrossEntropy(logits, masks, options);
      const outputs = [loss, ...gradients(loss, [logits])];
      for (const [value, gradient] of [
        evaluate(outputs),
        await evaluateWithOnnx(outputs, new Map()),
      ]) {
        expectClose(value?.data, [0]);
        expectClose(gradient?.data, new Array<number>(8).fill(0));
      }
    }
  });

  it('is NaN for a pixel whose label is neither a class nor ignored', () => {
    const logits = constant([1, 2, 3, 4], [1, 2, 2]);
    const masks = constant([7, 255], [1, 2], 'int32');
    expect(evaluate([pixelCrossEntropy(logits, masks)])[0]?.data[0]).toBeNaN();
  });

  it('comes batch by batch to the mean of the whole, by sums of losses and weights', () => {
    const torch = pixelCases.find(({ options }) => options.classWeights && !options.labelSmoothing);
    if (torch === undefined) throw new Error('The fixture has no case of class weights alone.');
    const [logits, masks] = tensorsOf(torch);
    const sums = [0, 1].flatMap((image) => {
      const { losses, weights } = weightedLosses(
        logits.slice(0, image, image + 1),
        masks.slice(0, image, image + 1),
        { ignoreIndex: 255, ...torch.options },
      );
      return [losses.sum(), weights.sum()];
    });
    const [lossA = 0, weightA = 0, lossB = 0, weightB = 0] = evaluate(sums).map(
      ({ data }) => data[0] ?? NaN,
    );
    expect((lossA + lossB) / (weightA + weightB)).toBeCloseTo(torch.loss, 7);
  });

  it('refuses masks of another size or type, and class weights that are not one for each class', () => {
    const logits = input('x', [2, 3, 4, 4]);
    const masks = input('y', [2, 4, 4], 'int32');
    expect(() => pixelCrossEntropy(logits, input('y', [2, 4, 5], 'int32'))).toThrow(ShapeError);
    expect(() => pixelCrossEntropy(logits, input('y', [2, 4, 4]))).toThrow(/int32, not float32/);
    for (const classWeights of [
      [1, 2],
      [1, 2, -1],
      [1, 2, NaN],
    ]) {
      const act = () => pixelCrossEntropy(logits, masks, { classWeights });
      expect(act).toThrow(RequestError);
      expect(act).toThrow(/3 finite numbers/);
    }
  });
});

describe('diceLoss', () => {
  it.each(diceCases.map((torch) => [JSON.stringify(torch.options), torch] as const))(
    'with %s agrees with its formula in PyTorch, gradient included',
    async (_, torch) => {
      const [logits, masks] = tensorsOf(torch);
      const loss = diceLoss(logits, masks, torch.options);
      const outputs = [loss, ...gradients(loss, [logits])];
      const [value, gradient] = evaluate(outputs);
      expectClose(value?.data, [torch.loss]);
      expectClose(gradient?.data, torch.gradient);
      const [native, nativeGradient] = await evaluateWithOnnx(outputs, new Map());
      expectClose(native?.data, [torch.loss], 5);
      expectClose(nativeGradient?.data, torch.gradient, 5);
    },
  );

  it('is 0 with a gradient of 0 where no pixel counts, and refuses a negative smooth', () => {
    const logits = constant([1, 2, 3, 4], [1, 2, 2]);
    const masks = constant([255, 255], [1, 2], 'int32');
    for (const smooth of [1, 0]) {
      const loss = diceLoss(logits, masks, { smooth });
      const [value, gradient] = evaluate([loss, ...gradients(loss, [logits])]);
      expectClose(value?.data, [0]);
      expectClose(gradient?.data, [0, 0, 0, 0]);
    }
    expect(() => diceLoss(logits, masks, { smooth: -1 })).toThrow(RequestError);
  });
});

describe('mixedCrossEntropy', () => {
  interface MixedCase {
    readonly labelSmoothing: number;
    readonly logits: { readonly shape: number[]; readonly values: number[] };
    readonly labels: number[];
    readonly partners: number[];
    readonly share: number[];
    readonly loss: number;
    readonly losses: number[];
    readonly gradient: number[];
  }

  it.each(jsonFixture('segmentation/mixed-cross-entropy') as MixedCase[])(
    "with smoothing $labelSmoothing is PyTorch's for the mixed target",
    (torch) => {
      const { labelSmoothing } = torch;
      const logits = constant(torch.logits.values, torch.logits.shape);
      const [labels, partners] = [torch.labels, torch.partners].map((numbers) =>
        constant(numbers, [5], 'int32'),
      ) as [ReturnType<typeof constant>, ReturnType<typeof constant>];
      const share = constant(torch.share, [5]);
      const lossWith = (reduction: 'mean' | 'none') =>
        mixedCrossEntropy(logits, labels, partners, share, { labelSmoothing, reduction });
      const loss = lossWith('mean');
      const found = evaluate([loss, lossWith('none'), ...gradients(loss, [logits])]);
      expectClose(found[0]?.data, [torch.loss]);
      expectClose(found[1]?.data, torch.losses);
      expectClose(found[2]?.data, torch.gradient);
      expect(() => mixedCrossEntropy(logits, labels, partners, constant([1], [1]))).toThrow(
        ShapeError,
      );
    },
  );
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { ShapeError } from '../errors.js';
import { axesCases, geometryOf, RUNS } from '../testing/arbitraries.js';
import { checkGradient, type Build } from '../testing/check-gradient.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import type { Shape } from '../tensor/shape.js';
import { conv, convTranspose, input } from './index.js';

interface Case {
  readonly build: Build;
  readonly inputs: Shape[];
}

const channels = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  groups: fc.integer({ min: 1, max: 2 }),
  inPerGroup: fc.integer({ min: 1, max: 2 }),
  outPerGroup: fc.integer({ min: 1, max: 2 }),
  bias: fc.boolean(),
});

const convCase: fc.Arbitrary<Case> = fc
  .tuple(axesCases, channels)
  .map(([axes, { batch, groups, inPerGroup, outPerGroup, bias }]) => {
    const { kernel, ...options } = geometryOf(axes);
    return {
      build: (x, w, b) => conv(x, w, b, { ...options, groups }),
      inputs: [
        [batch, groups * inPerGroup, ...axes.map(({ size }) => size)],
        [groups * outPerGroup, inPerGroup, ...kernel],
        ...(bias ? [[groups * outPerGroup]] : []),
      ],
    };
  });

const transposeCase: fc.Arbitrary<Case> = fc
  .tuple(axesCases, channels)
  .map(([axes, { batch, groups, inPerGroup, outPerGroup, bias }]) => {
    const { kernel, ...options } = geometryOf(axes);
    // As much as the stride allows, which also keeps the output from vanishing under the padding.
    const outputPadding = options.stride.map((stride) => stride - 1);
    return {
      build: (x, w, b) => convTranspose(x, w, b, { ...options, groups, outputPadding }),
      inputs: [
        [batch, groups * inPerGroup, ...axes.map(({ size }) => Math.ceil(size / 2) + 1)],
        [groups * inPerGroup, outPerGroup, ...kernel],
        ...(bias ? [[groups * outPerGroup]] : []),
      ],
    };
  });

/** The gradients of an op as outputs, so that checking their gradients checks second derivatives. */
function differentiated({ build, inputs }: Case): Case {
  const symbols = inputs.map((shape, i) => input(`s${i}`, shape));
  const y = build(...symbols);
  if (!('op' in y)) throw new Error('one output expected');
  return {
    inputs: [...inputs, y.shape],
    build: (...all) => {
      const own = all.slice(0, -1);
      const output = build(...own);
      return gradients('op' in output ? [output] : output, own, all.slice(-1));
    },
  };
}

describe.each([
  ['conv', convCase],
  ['convTranspose', transposeCase],
])('%s', (_, cases) => {
  it('has the gradient of its float64 reference, whatever the geometry', () => {
    fc.assert(
      fc.property(cases, ({ build, inputs }) => {
        checkGradient(build, inputs);
      }),
      RUNS,
    );
  });

  it('has second derivatives', () => {
    fc.assert(
      fc.property(cases.map(differentiated), ({ build, inputs }) => {
        checkGradient(build, inputs);
      }),
      { ...RUNS, numRuns: 8 },
    );
  });

  it('computes the same in ONNX Runtime, gradients included', async () => {
    await fc.assert(
      fc.asyncProperty(cases, ({ build, inputs }) => checkLowering(build, inputs)),
      { ...RUNS, numRuns: 60 },
    );
  });
});

describe('conv', () => {
  it('slides the kernel without flipping it', () => {
    const [x, w] = [input('x', [1, 1, 4]), input('w', [1, 1, 2])];
    const feeds = new Map([
      [x, ndarray([1, 1, 4], [1, 2, 3, 4])],
      [w, ndarray([1, 1, 2], [10, 1])],
    ]);
    const [y] = evaluate([conv(x, w)], feeds);
    expect(Array.from(y?.data ?? [])).toEqual([12, 23, 34]);
  });

  it.each([
    [16, 24, 3, 1, 8],
    [24, 16, 3, 2, 9],
    [32, 32, 1, 1, 6],
    [32, 16, 1, 2, 8],
  ])(
    'computes the same in ONNX Runtime with %i to %i channels, kernel %i, stride %i, side %i',
    async (from, to, kernel, stride, side) => {
      const build: Build = (x, w) => conv(x, w, undefined, { stride, padding: (kernel - 1) / 2 });
      const inputs = [
        [4, from, side, side],
        [to, from, kernel, kernel],
      ];
      await expect(checkLowering(build, inputs)).resolves.toBeUndefined();
    },
  );

  it('computes the same in ONNX Runtime where every window lies in the padding', async () => {
    const build: Build = (v, w) =>
      conv(v, w, undefined, {
        stride: 3,
        padding: [
          [1, 0],
          [0, 0],
        ],
      });
    await expect(
      checkLowering(build, [
        [2, 3, 1, 4],
        [4, 3, 1, 1],
      ]),
    ).resolves.toBeUndefined();
  });

  const x = input('x', [2, 4, 8, 8]);

  it.each([
    ['a weight of another rank', [8, 4, 3], {}, 'one to three spatial axes'],
    ['a weight for other channels', [8, 3, 3, 3], {}, 'takes 3 input channels, not 4'],
    ['groups that do not divide the outputs', [3, 2, 3, 3], { groups: 2 }, '2 group(s)'],
    ['a kernel larger than the input', [8, 4, 9, 9], {}, 'larger than the padded input'],
    [
      'a stride of 0',
      [8, 4, 3, 3],
      { stride: 0 },
      'strides [0, 0] must be 2 integers of at least 1',
    ],
    ['strides for one axis only', [8, 4, 3, 3], { stride: [1] }, 'strides [1] must be 2 integers'],
    ['negative padding', [8, 4, 3, 3], { padding: -1 }, 'padsBegin [-1, -1] must be'],
    ['half a group', [8, 4, 3, 3], { groups: 0.5 }, 'groups 0.5 must be a positive integer'],
  ])('refuses %s', (_, weight, options, message) => {
    const refused = () => conv(x, input('w', weight), undefined, options);
    expect(refused).toThrow(ShapeError);
    expect(refused).toThrow(message);
  });

  it('refuses a bias of another length', () => {
    const refused = () => conv(x, input('w', [8, 4, 3, 3]), input('b', [4]));
    expect(refused).toThrow('The bias must be [8].');
  });

  it('names the op, the shapes and the module path when it refuses', () => {
    expect(() => withScope('layer1.0.conv1', () => conv(x, input('w', [8, 3, 3, 3])))).toThrow(
      'conv at layer1.0.conv1: cannot take [2, 4, 8, 8], [8, 3, 3, 3].',
    );
  });
});

describe('convTranspose', () => {
  const x = input('x', [1, 4, 3, 3]);

  it.each([
    ['a weight for other channels', [3, 2, 3, 3], {}, 'takes 3 input channels, not 4'],
    [
      'output padding as large as the stride',
      [4, 2, 3, 3],
      { outputPadding: 1 },
      'less than the stride',
    ],
    [
      'output padding for one axis only',
      [4, 2, 3, 3],
      { outputPadding: [0] },
      'outputPadding [0] must be 2',
    ],
    ['more padding than output', [4, 2, 1, 1], { padding: 2 }, 'larger than the output'],
  ])('refuses %s', (_, weight, options, message) => {
    const refused = () => convTranspose(x, input('w', weight), undefined, options);
    expect(refused).toThrow(ShapeError);
    expect(refused).toThrow(message);
  });

  it('refuses a bias of another length', () => {
    const refused = () => convTranspose(x, input('w', [4, 2, 3, 3]), input('b', [1]));
    expect(refused).toThrow('The bias must be [2].');
  });
});

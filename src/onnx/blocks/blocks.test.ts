import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../autodiff/gradients.js';
import { batchNorm, channelAffine, concat, input, where } from '../../ops/index.js';
import type { Shape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { blockOfThisMachine, checkLowering } from '../../testing/check-lowering.node.js';
import { fromBinary } from '@bufbuild/protobuf';
import { lowerToOnnx } from '../lower.js';
import { ModelProtoSchema } from '../onnx_pb.js';
import { trialBlock, trialInput } from './trial.js';

let block = 0;

beforeAll(async () => {
  block = await blockOfThisMachine();
});

/** Checks outputs and gradients in the blocked layout against the float64 reference. */
function inBlocks(build: (...inputs: Tensor[]) => Tensor | Tensor[], shapes: readonly Shape[]) {
  return checkLowering(build, shapes, { providers: ['cpu'], block });
}

/** Operators of a lowered graph, by name. */
function operators(output: Tensor, inputs: Record<string, Tensor>): string[] {
  const model = lowerToOnnx({ inputs, outputs: { y: output } }, { provider: 'cpu', block: 16 });
  const nodes = fromBinary(ModelProtoSchema, model).graph?.node ?? [];
  return nodes.map((node) => `${node.domain ? 'blocked ' : ''}${node.opType}`);
}

describe('the size of a block', () => {
  it('is found out by a trial on this machine', () => {
    expect([0, 8, 16]).toContain(block);
  });

  it('is 0 when the trial shows no blocks', () => {
    expect(trialBlock(trialInput())).toBe(0);
    expect(trialBlock(undefined)).toBe(0);
  });
});

describe("a weight's gradient in the layout of kernels", () => {
  const scaled = (x: Tensor, w: Tensor) => {
    const [g = w] = gradients(x.conv(w, undefined, { padding: 1 }).square().sum(), [w]);
    return g.mul(g.mul(g).sum().sqrt().reciprocal());
  };

  it('is divided by its norm as the reference says', async () => {
    const shapes = [
      [16, 16, 6, 6],
      [16, 16, 3, 3],
    ];
    await expect(inBlocks(scaled, shapes)).resolves.toBeUndefined();
  });

  it('is added up where it lies: one transposition, of the result', () => {
    const [x, w] = [input('x', [16, 16, 6, 6]), input('w', [16, 16, 3, 3])];
    const square = (y: Tensor) => operators(y, { x, w }).filter((op) => op === 'Transpose').length;
    const [g = w] = gradients(x.conv(w, undefined, { padding: 1 }).square().sum(), [w]);
    expect(square(scaled(x, w))).toBe(square(g));
  });
});

describe('convolution in blocks agrees with the reference, gradients included', () => {
  const geometries: [string, Shape, Shape, Parameters<Tensor['conv']>[2]][] = [
    ['3x3', [16, 32, 6, 5], [16, 32, 3, 3], { padding: 1 }],
    ['3x3 stride 2', [16, 16, 8, 6], [32, 16, 3, 3], { padding: 1, stride: 2 }],
    ['3x3 stride 2 of an odd size', [16, 16, 7, 5], [32, 16, 3, 3], { padding: 1, stride: 2 }],
    ['1x1', [16, 32, 4, 4], [48, 32, 1, 1], {}],
    ['1x1 stride 2', [16, 32, 6, 6], [16, 32, 1, 1], { stride: 2 }],
    ['5x5', [16, 16, 6, 6], [16, 16, 5, 5], { padding: 2 }],
    ['7x7 stride 2', [16, 16, 8, 8], [16, 16, 7, 7], { padding: 3, stride: 2 }],
    ['2x2 stride 2 without padding', [16, 16, 6, 6], [16, 16, 2, 2], { stride: 2 }],
    ['stride 3', [16, 16, 9, 9], [16, 16, 3, 3], { stride: 3, padding: 1 }],
    ['dilated', [16, 16, 7, 7], [16, 16, 3, 3], { padding: 2, dilation: 2 }],
    [
      'asymmetric padding',
      [16, 16, 5, 5],
      [16, 16, 3, 3],
      {
        padding: [
          [0, 2],
          [1, 0],
        ],
      },
    ],
    ['1x3', [16, 16, 4, 5], [16, 16, 1, 3], { padding: [0, 1] }],
    ['an image of three channels', [16, 3, 6, 6], [16, 3, 3, 3], { padding: 1 }],
    ['a batch that does not fill a block', [3, 16, 5, 5], [16, 16, 3, 3], { padding: 1 }],
    ['channels that do not fill a block', [16, 24, 5, 5], [16, 24, 3, 3], { padding: 1 }],
    ['depthwise', [16, 16, 5, 5], [16, 1, 3, 3], { padding: 1, groups: 16 }],
    ['groups', [16, 32, 5, 5], [32, 16, 3, 3], { padding: 1, groups: 2 }],
    ['a map of one place', [16, 32, 1, 1], [16, 32, 1, 1], {}],
  ];
  it.each(geometries)('%s', async (_, x, w, options) => {
    const first: Shape = [x[1] ?? 1, x[1] ?? 1, 1, 1];
    await inBlocks((a, b, c) => a.conv(b).tanh().conv(c, undefined, options), [x, first, w]);
  });

  it('whatever the geometry', async () => {
    const geometry = fc.record({
      batch: fc.constantFrom(2, 16),
      height: fc.integer({ min: 3, max: 8 }),
      width: fc.integer({ min: 3, max: 8 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      stride: fc.integer({ min: 1, max: 2 }),
      padding: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(geometry, async ({ batch, height, width, kernel, stride, padding }) => {
        await inBlocks(
          (x, bias, w) => x.add(bias).conv(w, undefined, { stride, padding }).tanh(),
          [
            [batch, 16, height, width],
            [16, 1, 1],
            [16, 16, ...kernel],
          ],
        );
      }),
      { numRuns: 25, seed: 7 },
    );
  }, 60_000);

  it('with a bias, a sum and a ReLU merged into it', async () => {
    await inBlocks(
      (x, w, b, skip) => x.conv(w, b, { padding: 1 }).add(skip).relu(),
      [[16, 16, 5, 5], [16, 16, 3, 3], [16], [16, 16, 5, 5]],
    );
  });
});

describe('the ops around a convolution agree with the reference in blocks', () => {
  const map: Shape = [16, 16, 4, 5];
  const weight: Shape = [16, 16, 3, 3];
  const features = (x: Tensor, w: Tensor) => x.conv(w, undefined, { padding: 1 });
  const cases: [string, (x: Tensor, w: Tensor, extra: Tensor) => Tensor | Tensor[], Shape][] = [
    ['a gate per channel', (x, w, g) => features(x, w).mul(g.sigmoid()), [16, 16, 1, 1]],
    ['a gate per place', (x, w, g) => features(x, w).mul(g.sigmoid()), [16, 1, 4, 5]],
    ['a factor per channel', (x, w, g) => features(x, w).mul(g), [16, 1, 1]],
    ['a factor per column', (x, w, g) => features(x, w).mul(g), [5]],
    ['a plain map', (x, w, g) => features(x, w).mul(g), map],
    ['a scalar', (x, w, g) => features(x, w).mul(g), []],
    ['a quotient', (x, w, g) => features(x, w).div(g.square().add(1)), map],
    ['means per channel', (x, w, g) => features(x, w).mean([2, 3], { keepDims: true }).mul(g), map],
    ['sums over batch and space', (x, w, g) => features(x, w).sum([0, 2, 3]).mul(g), [16]],
    ['means over batch and space', (x, w, g) => features(x, w).mean([0, 2, 3]).mul(g), [16]],
    ['sums over rows', (x, w, g) => features(x, w).sum([2]).mul(g), [16, 16, 5]],
    ['means over channels', (x, w, g) => features(x, w).mean([1], { keepDims: true }).mul(g), map],
    [
      'a product that is also used itself',
      (x, w, g) => {
        const product = features(x, w).mul(g);
        return [product.sum([2, 3]), product.tanh()];
      },
      map,
    ],
    [
      'a square',
      (x, w, g) => {
        const y = features(x, w);
        return y.mul(y).mean([2, 3]).mul(g);
      },
      [16, 16],
    ],
    [
      'a sum used twice',
      (x, w, g) => {
        const y = features(x, w).add(g);
        return [y.relu(), y.tanh()];
      },
      map,
    ],
    [
      'a map added to itself',
      (x, w, g) => {
        const y = features(x, w);
        return y.add(y).mul(g);
      },
      map,
    ],
    ['strided slices', (x, w, g) => features(x, w).slice(2, 0, 4, 2).slice(3, 1, 5, 2).mul(g), [1]],
    ['channels added', (x, w, g) => features(x, w).pad(1, 8, 8).mul(g), [1]],
    ['maps put together', (x, w, g) => concat([features(x, w), g], 1).tanh(), map],
    ['a transposed map', (x, w, g) => features(x, w).flatten(2).swapAxes().matmul(g), [16, 3]],
    ['an affine map', (x, w, g) => channelAffine(features(x, w), g, g.neg()).relu(), [16]],
    [
      'the largest of a channel, which comparing and casting finds again',
      (x, w, g) => features(x, w).max([2, 3], { keepDims: true }).mul(g),
      [16, 16, 1, 1],
    ],
    [
      'a comparison that something plain wants',
      (x, w, g) => {
        const above = features(x, w).greater(g);
        return where(above.reshape([16, 320]), g.reshape([16, 320]), 0);
      },
      map,
    ],
    [
      'a choice',
      (x, w, g) => {
        const y = features(x, w);
        return where(y.greater(g), y, g.mul(2));
      },
      map,
    ],
  ];
  it.each(cases)('%s', async (_, build, extra) => {
    await inBlocks((x, w, g) => build(x, w, g), [map, weight, extra]);
  });

  it.each<[string, (y: Tensor, g: Tensor) => Tensor]>([
    ['limits', (y) => y.clip({ min: -1, max: 1 })],
    ['not below', (y, g) => where(y.greaterEqual(g), y, g)],
    ['not above', (y, g) => where(y.lessEqual(g), y, g)],
    ['equal', (y, g) => where(y.equal(g), g, y)],
    ['a condition from outside', (y, g) => where(g.greater(0), y, g)],
  ])('a choice by a condition: %s', async (_, build) => {
    await inBlocks((x, w, g) => features(build(features(x, w), g), w), [map, weight, map]);
  });

  it('a map seen with five axes', async () => {
    await inBlocks(
      (x, w, g) => features(x, w).reshape([16, 2, 8, 4, 5]).mul(g).sum([1]),
      [map, weight, [16, 2, 8, 1, 1]],
    );
  });

  it('a convolution over one axis, and over three', async () => {
    await inBlocks(
      (x, w) => x.tanh().conv(w, undefined, { padding: 1 }).relu(),
      [
        [2, 16, 6],
        [16, 16, 3],
      ],
    );
    await inBlocks(
      (x, w) => x.tanh().conv(w).relu(),
      [
        [2, 16, 3, 3, 3],
        [16, 16, 1, 2, 2],
      ],
    );
  });

  it('an image of eight channels', async () => {
    await inBlocks(
      (x, w) => x.conv(w, undefined, { padding: 1 }).tanh(),
      [
        [16, 8, 4, 4],
        [16, 8, 3, 3],
      ],
    );
  });

  it.each<[string, Shape]>([
    ['small', map],
    ['large', [16, 16, 8, 8]],
  ])(
    'batch normalisation, the addition and the ReLU of a residual block, of a %s map',
    async (_, size) => {
      await inBlocks(
        (x, w, scale, shift) => {
          const y = x.conv(w);
          return batchNorm(y, scale, shift).output.add(x).relu();
        },
        [size, [16, 16, 1, 1], [16], [16]],
      );
    },
  );
});

describe('what is written', () => {
  const x = input('x', [16, 16, 8, 8]);
  const w = input('w', [16, 16, 3, 3]);
  const [scale, shift] = [input('scale', [16]), input('shift', [16])];
  const y = x.conv(w, undefined, { padding: 1 });

  it('a chain of convolutions is converted once at each end', () => {
    const found = operators(y.conv(w, undefined, { padding: 1 }).relu(), { x, w });
    expect(found.filter((name) => name === 'blocked ReorderInput')).toHaveLength(1);
    expect(found.filter((name) => name === 'blocked ReorderOutput')).toHaveLength(1);
    expect(found.filter((name) => name === 'blocked Conv')).toHaveLength(2);
    expect(found).not.toContain('Relu');
  });

  it('normalisation, addition and ReLU are one pass over the map', () => {
    const block = channelAffine(y, scale, shift).add(x).relu();
    const found = operators(block, { x, w, scale, shift });
    expect(found.filter((name) => name === 'blocked Conv')).toHaveLength(2);
    expect(found).not.toContain('Add');
    expect(found).not.toContain('Relu');
  });

  it('batch normalisation and its gradient have no plain form of the map', () => {
    const { output } = batchNorm(y, scale, shift);
    const [slope = output] = gradients(output, [scale], [output]);
    const found = operators(slope, { x, w, scale, shift });
    expect(found).not.toContain('blocked ReorderOutput');
  });

  it('nothing of the private domain without a block size', () => {
    const model = lowerToOnnx({ inputs: { x, w }, outputs: { y } }, { provider: 'cpu' });
    const { opsetImport } = fromBinary(ModelProtoSchema, model);
    expect(opsetImport.map(({ domain }) => domain)).toEqual(['']);
  });
});

import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkLowering } from '../testing/check-lowering.node.js';
import { jsonFixture } from '../testing/golden-files.js';
import { clippedByNorm, clippedByValue, emaUpdate } from './index.js';

interface TorchCase {
  kind: 'norm' | 'value';
  limit: number;
  shapes: Shape[];
  before: number[][];
  norm: number;
  after: number[][];
}

function clip(
  { kind, limit, shapes }: Pick<TorchCase, 'kind' | 'limit' | 'shapes'>,
  before: readonly number[][],
): { after: number[][]; norm: number } {
  const gradients = shapes.map((shape, i) => input(`g${i}`, shape));
  const clipped = clippedByNorm(gradients, limit);
  const outputs = kind === 'norm' ? clipped.gradients : clippedByValue(gradients, limit);
  const feeds = gradients.map((g, i) => [g, ndarray(g.shape, before[i])] as const);
  const [norm, ...after] = evaluate([clipped.norm, ...outputs], new Map(feeds));
  return { norm: norm!.data[0]!, after: after.map(({ data }) => [...data]) };
}

describe('gradients are clipped as by PyTorch', () => {
  const cases = jsonFixture('torch-clip') as TorchCase[];

  it.each(cases)('by $kind, limit $limit, norm $norm', (torch) => {
    const { norm, after } = clip(torch, torch.before);
    expect(Math.abs(norm / torch.norm - 1)).toBeLessThan(1e-12);
    for (const [i, values] of after.entries()) {
      for (const [j, value] of values.entries()) {
        const wanted = torch.after[i]![j]!;
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-12 * Math.abs(wanted));
      }
    }
  });

  it('all of them to NaN where one is', () => {
    const { after } = clip({ kind: 'norm', limit: 1, shapes: [[2], [1]] }, [[1, NaN], [3]]);
    expect(after).toEqual([[NaN, NaN], [NaN]]);
  });

  it('and ONNX Runtime computes the same, also of weights in the layout of kernels', async () => {
    const byNorm = (...x: Tensor[]) => clippedByNorm(x, 2).gradients;
    const byValue = (x: Tensor) => clippedByValue([x], 0.5);
    const shapes: Shape[] = [[16, 16, 3, 3], [16], [3, 5]];
    await expect(checkLowering(byNorm, shapes)).resolves.toBeUndefined();
    await expect(checkLowering(byValue, [[4, 5]])).resolves.toBeUndefined();
  });

  it('and impossible limits are refused', () => {
    const x = input('x', [2]);
    expect(() => clippedByNorm([x], 0)).toThrow(RequestError);
    expect(() => clippedByNorm([x], NaN)).toThrow('must be a positive number, not NaN');
    expect(() => clippedByValue([x], -1)).toThrow('must be a positive number, not -1');
    expect(() => clippedByNorm([], 1)).toThrow('There are no gradients to clip.');
  });
});

describe('an exponential moving average', () => {
  const [average, value, decay] = [input('average', [2]), input('value', [2]), input('decay', [])];
  const update = (by: number | Tensor, feeds: [Tensor, number[]][]) => {
    const values = feeds.map(([x, v]) => [x, ndarray(x.shape, v)] as const);
    const [result] = evaluate([emaUpdate(average, value, by)], new Map(values));
    return [...result!.data];
  };

  it('comes, from 1 with decay 0.9 and the values 2 and 4, to 1.1 and 1.39', () => {
    const first = update(0.9, [
      [average, [1, 3]],
      [value, [2, 3]],
    ]);
    const second = update(0.9, [
      [average, first],
      [value, [4, 3]],
    ]);
    expect(first[0]).toBeCloseTo(1.1, 14);
    expect(second[0]).toBeCloseTo(1.39, 14);
    expect([first[1], second[1]]).toEqual([3, 3]);
  });

  it('takes the decay of each step from the host', () => {
    const result = update(decay, [
      [average, [1, 0]],
      [value, [2, 8]],
      [decay, [0.75]],
    ]);
    expect(result).toEqual([1.25, 2]);
  });

  it('refuses a decay out of range', () => {
    expect(() => emaUpdate(average, value, 1.5)).toThrow('must be from 0 to 1, not 1.5');
    expect(() => emaUpdate(average, value, NaN)).toThrow(RequestError);
  });
});

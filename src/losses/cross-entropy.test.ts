import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { RequestError, ShapeError } from '../errors.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { goldenCase, jsonFixture } from '../testing/golden-files.js';
import { beyondTolerance, compareWithGolden } from '../parity/golden.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { crossEntropy } from './index.js';

const logits = constant([2, -1, 0.5, 0, 0, 0], [2, 3]);
const labels = constant([2, 0], [2], 'int32');

describe('crossEntropy', () => {
  it('agrees with PyTorch, gradient included', async () => {
    const golden = goldenCase('loss.cross_entropy');
    const forward: Parameters<typeof compareWithGolden>[1]['forward'] = ([x, y]) =>
      x && y ? [crossEntropy(x, y)] : [];
    for (const run of [evaluate, evaluateWithOnnx]) {
      const differences = await compareWithGolden(golden, { forward }, run);
      expect(differences.map(({ name }) => name)).toContain('grad.input.0');
      expect(beyondTolerance(differences)).toEqual([]);
    }
  });

  it.each(jsonFixture('torch-cross-entropy') as TorchCase[])(
    'with label smoothing $labelSmoothing agrees with PyTorch, sample by sample',
    (torch) => {
      const x = constant(torch.logits.flat(), [torch.logits.length, torch.logits[0]!.length]);
      const y = constant(torch.labels, [torch.labels.length], 'int32');
      const { labelSmoothing } = torch;
      const each = crossEntropy(x, y, { labelSmoothing, reduction: 'none' });
      const mean = crossEntropy(x, y, { labelSmoothing });
      const [losses, loss, gradient] = evaluate([each, mean, ...gradients(mean, [x])]);
      expectClose(losses!.data, torch.losses);
      expectClose(loss!.data, [torch.mean]);
      expectClose(gradient!.data, torch.gradient.flat());
    },
  );

  it('does not overflow for logits that the exponential cannot take', async () => {
    const steep = constant([1e4, -1e4, 0], [1, 3]);
    const loss = crossEntropy(steep, constant([1], [1], 'int32'));
    const [reference] = evaluate([loss]);
    const [native] = await evaluateWithOnnx([loss], new Map());
    expect(reference!.data[0]).toBe(2e4);
    expect(native!.data[0]).toBe(2e4);
  });

  it.each([0, 0.1, 1])(
    'is NaN for a label that is no class, and for that sample only (smoothing %d)',
    async (labelSmoothing) => {
      const rows = constant([2, -1, 0.5, 0, 0, 0, 1, 2, 3], [3, 3]);
      const wrong = constant([2, 7, -1], [3], 'int32');
      const right = constant([2, 0, 0], [3], 'int32');
      const [each, mean, known] = [
        crossEntropy(rows, wrong, { labelSmoothing, reduction: 'none' }),
        crossEntropy(rows, wrong, { labelSmoothing }),
        crossEntropy(rows, right, { labelSmoothing, reduction: 'none' }),
      ];
      for (const run of [evaluate, evaluateWithOnnx]) {
        const [losses, loss, expected] = await run([each, mean, known], new Map());
        expect([...losses!.data]).toEqual([expected!.data[0], NaN, NaN]);
        expect(loss!.data[0]).toBeNaN();
      }
    },
  );

  it('names the shapes when labels and logits do not fit', () => {
    expect(() => crossEntropy(logits, input('y', [3], 'int32'))).toThrow(ShapeError);
    expect(() => crossEntropy(logits, input('y', [3], 'int32'))).toThrow(/\[2, 3\], \[3\]/);
    expect(() => crossEntropy(logits, input('y', [2]))).toThrow(/int32, not float32/);
  });

  it('refuses a smoothing outside of [0, 1]', () => {
    expect(() => crossEntropy(logits, labels, { labelSmoothing: 1.5 })).toThrow(RequestError);
  });
});

interface TorchCase {
  labelSmoothing: number;
  logits: number[][];
  labels: number[];
  losses: number[];
  mean: number;
  gradient: number[][];
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12);
}

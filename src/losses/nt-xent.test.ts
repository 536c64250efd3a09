import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { RequestError, ShapeError } from '../errors.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { jsonFixture } from '../testing/golden-files.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { crossEntropy, ntXent } from './index.js';

interface TorchCase {
  readonly temperature: number;
  readonly a: { readonly shape: number[]; readonly values: number[] };
  readonly b: { readonly shape: number[]; readonly values: number[] };
  readonly loss: number;
  readonly losses: number[];
  readonly gradients: [number[], number[]];
}

describe('ntXent', () => {
  it.each(jsonFixture('contrastive/nt-xent') as TorchCase[])(
    'at temperature $temperature agrees with PyTorch: the loss of every view, their mean, and the gradients',
    async (torch) => {
      const [a, b] = [torch.a, torch.b].map(({ values, shape }) => constant(values, shape)) as [
        ReturnType<typeof constant>,
        ReturnType<typeof constant>,
      ];
      const { logits, labels, loss } = ntXent(a, b, { temperature: torch.temperature });
      const each = crossEntropy(logits, labels, { reduction: 'none' });
      const outputs = [loss, each, ...gradients(loss, [a, b])];
      const expected = [[torch.loss], torch.losses, ...torch.gradients];
      for (const [run, digits] of [
        [evaluate(outputs), 7],
        [await evaluateWithOnnx(outputs, new Map()), 4],
      ] as const) {
        for (const [i, values] of expected.entries()) {
          expect(run[i]?.data.length).toBe(values.length);
          for (const [j, value] of values.entries()) {
            expect(run[i]?.data[j], `output ${i}, element ${j}`).toBeCloseTo(value, digits);
          }
        }
      }
    },
  );

  it('does not depend on the length of an embedding, and stays finite for one of zeros', () => {
    const a = constant([1, 2, 3, -1], [2, 2]);
    const b = constant([2, 1, 0, 1], [2, 2]);
    const [one, other] = evaluate([ntXent(a, b).loss, ntXent(a.mul(7), b).loss]);
    expect(other?.data[0]).toBeCloseTo(one?.data[0] ?? NaN, 10);
    const zeros = constant([0, 0, 1, 1], [2, 2]);
    const { loss } = ntXent(zeros, b);
    for (const { data } of evaluate([loss, ...gradients(loss, [zeros])])) {
      expect([...data].every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses views of unlike shapes, a single image, and a temperature that is not above 0', () => {
    const a = input('a', [4, 3]);
    expect(() => ntXent(a, input('b', [4, 2]))).toThrow(ShapeError);
    expect(() => ntXent(input('a', [1, 3]), input('b', [1, 3]))).toThrow(/B at least 2/);
    expect(() => ntXent(a, a, { temperature: 0 })).toThrow(RequestError);
  });
});

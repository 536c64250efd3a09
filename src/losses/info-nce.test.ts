import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { RequestError, ShapeError } from '../errors.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../parity/golden.js';
import { tokens } from '../parity/tokens.js';
import { constant, input } from '../ops/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { checkGradient } from '../testing/check-gradient.js';
import { goldenCase } from '../testing/golden-files.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { sharedGoldenCases } from '../testing/shared-golden.js';
import { infoNce, type InfoNceOptions } from './index.js';

async function failures(golden: GoldenCase): Promise<string[]> {
  const subject = tokens['loss.info_nce']!.build(golden.config);
  const differences = [];
  for (const run of [evaluate, evaluateWithOnnx]) {
    differences.push(...(await compareWithGolden(golden, subject, run)));
  }
  expect(differences.map(({ name }) => name)).toContain('eval.output.2');
  return beyondTolerance(differences);
}

const scores = [0.5, -1, 2, 0.25, -0.5];
const positive = [1, 0, 1, 0, 0];
const labels = constant(positive, [5], 'int32');

function lossOf(options: InfoNceOptions, values = scores): number {
  const { loss } = infoNce(constant(values, [5, 1]), labels, options);
  return evaluate([loss])[0]!.data[0]!;
}

/** The paper's formula, term by term. */
function oracle(temperature: number): number {
  const power = (i: number) => Math.exp(scores[i]! / temperature);
  const negatives = power(1) + power(3) + power(4);
  const terms = [0, 2].map((p) => -Math.log(power(p) / (power(p) + negatives)));
  return (terms[0]! + terms[1]!) / 2;
}

describe('infoNce', () => {
  it("with document 003's means agrees with PyTorch: logits, labels, loss and gradient", async () => {
    expect(await failures(goldenCase('loss.info_nce'))).toEqual([]);
  });

  const shared = sharedGoldenCases(['loss.info_nce']);
  it.skipIf(shared.length === 0)('agrees with PyTorch in every case of the whole set', async () => {
    for (const [file, golden] of shared) expect(await failures(golden), file).toEqual([]);
  });

  it.each([1, 0.07, 2])('sets each positive against all negatives at temperature %d', (t) => {
    expect(lossOf({ temperature: t })).toBeCloseTo(oracle(t), 12);
  });

  it('divides the means by the temperature, too', () => {
    const difference = (0.5 + 2) / 2 - (-1 + 0.25 - 0.5) / 3;
    const expected = Math.log(1 + Math.exp(-difference / 0.5));
    expect(lossOf({ pairing: 'means', temperature: 0.5 })).toBeCloseTo(expected, 12);
  });

  it.each(['each', 'means'] as const)('%s: its gradient is that of its values', (pairing) => {
    expect(() => {
      checkGradient((x) => infoNce(x, labels, { pairing, temperature: 0.5 }).loss, [[5, 1]]);
    }).not.toThrow();
  });

  it('neither overflows nor gives negatives a share of other rows', async () => {
    const steep = constant([1e4, -1e4, 1e4, 0, 3], [5, 1]);
    const { loss, logits } = infoNce(steep, labels);
    const [value, rows, slope] = await evaluateWithOnnx(
      [loss, logits, ...gradients(loss, [steep])],
      new Map(),
    );
    expect(value!.data[0]).toBe(0);
    expect(rows!.shape).toEqual([5, 6]);
    expect([...slope!.data].every(Number.isFinite)).toBe(true);
  });

  it('is NaN where no sample is positive', () => {
    const none = constant([0, 0, 0, 0, 0], [5], 'int32');
    for (const pairing of ['each', 'means'] as const) {
      const { loss } = infoNce(constant(scores, [5, 1]), none, { pairing });
      expect(evaluate([loss])[0]!.data[0]).toBeNaN();
    }
  });

  it('refuses other shapes and types, and a temperature that is not above 0', () => {
    const x = input('x', [5, 2]);
    expect(() => infoNce(x, labels)).toThrow(ShapeError);
    expect(() => infoNce(x, labels)).toThrow(/\[B, 1\]/);
    expect(infoNce(x, labels, { pairing: 'means' }).logits.shape).toEqual([1, 4]);
    expect(() => infoNce(input('x', [5, 1]), input('y', [5]))).toThrow(/int32 \[B\]/);
    expect(() => lossOf({ temperature: 0 })).toThrow(RequestError);
  });
});

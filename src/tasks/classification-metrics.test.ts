import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../errors.js';
import { input } from '../ops/index.js';
import { RandomStream } from '../random/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { randomArray, tiedArray } from '../testing/values.js';
import { hits } from './classification-metrics.js';

const [BATCH, CLASSES] = [200, 7];

/** Rank of the label's logit in its row, plainly; `CLASSES`, behind all, where it has none. */
function labelRank(logits: Float32Array, row: number, classes: number, label: number): number {
  const own = label >= 0 && label < classes ? (logits[row * classes + label] ?? NaN) : NaN;
  if (Number.isNaN(own)) return classes;
  const all = logits.subarray(row * classes, (row + 1) * classes);
  return all.filter((other, k) => other > own || (other === own && k < label)).length;
}

/** Random logits; tied ones; and tied ones with NaN and infinities among them. */
const sets: Readonly<Record<string, Float64Array>> = {
  random: randomArray([BATCH, CLASSES], 1).data,
  tied: tiedArray([BATCH, CLASSES], 2).data,
  spoiled: tiedArray([BATCH, CLASSES], 3).data.map((value, i) => {
    if (i % 5 === 0) return NaN;
    return i % 7 === 0 ? Infinity : i % 11 === 0 ? -Infinity : value;
  }),
};

describe('hits', () => {
  it.each(Object.entries(sets))(
    'with %s logits are the labels of rank below k, also for labels that are no class',
    async (_, data) => {
      const stream = new RandomStream(4, 'labels');
      const labels = Float64Array.from({ length: BATCH }, () => stream.integer(CLASSES + 2) - 1);
      const [x, y] = [input('x', [BATCH, CLASSES]), input('y', [BATCH], 'int32')];
      const feeds = new Map([
        [x, ndarray([BATCH, CLASSES], data)],
        [y, ndarray([BATCH], labels)],
      ]);
      const ks = [1, 3, 5, CLASSES, 50];
      const rows = ks.map((k) => hits(x, y, k));
      expect(rows[0]?.shape).toEqual([BATCH, 1]);
      const single = Float32Array.from(data);
      for (const found of [evaluate(rows, feeds), await evaluateWithOnnx(rows, feeds)]) {
        for (const [i, k] of ks.entries()) {
          const expected = Array.from(labels, (label, row) => {
            const rank = labelRank(single, row, CLASSES, label);
            return Number(rank < Math.min(k, CLASSES));
          });
          expect([...(found[i]?.data ?? [])], `k = ${k}`).toEqual(expected);
        }
      }
    },
  );

  it('refuses other shapes and types, and a k below 1', () => {
    const x = input('x', [2, 3]);
    expect(() => hits(x, input('y', [3], 'int32'), 1)).toThrow(ShapeError);
    expect(() => hits(x, input('y', [2]), 1)).toThrow(/int32 \[B\]/);
    for (const k of [0, 1.5])
      expect(() => hits(x, input('y', [2], 'int32'), k)).toThrow(RequestError);
  });
});

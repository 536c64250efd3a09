import { describe, expect, it } from 'vitest';
import { RequestError, ShapeError } from '../errors.js';
import { pixelCrossEntropy } from '../losses/index.js';
import { input } from '../ops/index.js';
import { RandomStream } from '../random/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray } from '../tensor/ndarray.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { tiedArray } from '../testing/values.js';
import {
  confusionRows,
  iouOf,
  meanIou,
  pixelAccuracy,
  pixelLossRows,
} from './segmentation-metrics.js';

const [BATCH, CLASSES, HEIGHT, WIDTH] = [3, 4, 5, 6];
const PIXELS = HEIGHT * WIDTH;
const logits = input('logits', [BATCH, CLASSES, HEIGHT, WIDTH]);
const masks = input('masks', [BATCH, HEIGHT, WIDTH], 'int32');

function feeds(ignored: number) {
  const stream = new RandomStream(1, 'masks');
  const labels = Float64Array.from({ length: BATCH * PIXELS }, () => {
    const label = stream.integer(CLASSES + 2);
    return label === CLASSES ? ignored : label === CLASSES + 1 ? 77 : label;
  });
  return new Map([
    [logits, tiedArray(logits.shape, 2)],
    [masks, ndarray(masks.shape, labels)],
  ]);
}

/** Pixel by pixel; of equal logits the first is the larger. */
function counted(given: ReturnType<typeof feeds>, ignored: number): number[][] {
  const values = given.get(logits)?.data ?? [];
  return Array.from({ length: BATCH }, (_, image) => {
    const counts = new Array<number>(CLASSES * CLASSES).fill(0);
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      const truth = given.get(masks)?.data[image * PIXELS + pixel] ?? NaN;
      if (truth === ignored || truth >= CLASSES || truth < 0) continue;
      const own = Array.from(
        { length: CLASSES },
        (__, k) => values[(image * CLASSES + k) * PIXELS + pixel] ?? NaN,
      );
      const at = truth * CLASSES + own.indexOf(Math.max(...own));
      counts[at] = (counts[at] ?? 0) + 1;
    }
    return counts;
  });
}

describe('confusionRows', () => {
  it.each([255, -100, 2])('counts as one counts by hand, with %i ignored', async (ignored) => {
    const given = feeds(ignored);
    const rows = confusionRows(logits, masks, CLASSES, ignored);
    expect(rows.shape).toEqual([BATCH, CLASSES * CLASSES]);
    const expected = counted(given, ignored).flat();
    for (const [found] of [evaluate([rows], given), await evaluateWithOnnx([rows], given)]) {
      expect([...(found?.data ?? [])]).toEqual(expected);
    }
  });

  it('refuses logits of other classes, and masks of another size or type', () => {
    expect(() => confusionRows(logits, masks, 5)).toThrow(ShapeError);
    expect(() => confusionRows(logits, input('m', [3, 5, 5], 'int32'), 4)).toThrow(ShapeError);
    expect(() => confusionRows(logits, input('m', [3, 5, 6]), 4)).toThrow(/int32/);
  });
});

describe('pixelLossRows', () => {
  it('give the loss of the whole batch, with class weights and ignored pixels', () => {
    const options = { classWeights: [1, 0.5, 2, 0.25] };
    const given = feeds(255);
    const labels = given.get(masks)?.data.map((label) => (label === 77 ? 255 : label)) ?? [];
    given.set(masks, ndarray(masks.shape, labels));
    const outputs = [
      pixelLossRows(logits, masks, options),
      pixelCrossEntropy(logits, masks, options),
    ];
    const [rows, whole] = evaluate(outputs, given);
    expect(rows?.shape).toEqual([BATCH, 2]);
    const sumOf = (column: number) =>
      [0, 1, 2].reduce((total, image) => total + (rows?.data[2 * image + column] ?? NaN), 0);
    expect(sumOf(0) / sumOf(1)).toBeCloseTo(whole?.data[0] ?? NaN, 12);
  });
});

describe('what the counts come to', () => {
  // 3 of class 0, one of them taken for class 1; 4 of class 1, all found; class 2 only predicted, once,
  // for a pixel of class 0; class 3 not at all.
  const counts = [1, 1, 1, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

  it('intersection over union: a class that is only predicted has 0, one that is neither NaN', () => {
    expect(iouOf(counts, 4)).toEqual([1 / 3, 4 / 5, 0, NaN]);
    expect(meanIou(counts, 4)).toBeCloseTo((1 / 3 + 4 / 5 + 0) / 3, 15);
    expect(pixelAccuracy(counts, 4)).toBeCloseTo(5 / 7, 15);
  });

  it('is 1 where all is right, and NaN where there is nothing', () => {
    expect([meanIou([5, 0, 0, 3], 2), pixelAccuracy([5, 0, 0, 3], 2)]).toEqual([1, 1]);
    expect([meanIou([0, 0, 0, 0], 2), pixelAccuracy([0, 0, 0, 0], 2)]).toEqual([NaN, NaN]);
  });

  it('refuses counts of another number of classes', () => {
    for (const figure of [iouOf, meanIou, pixelAccuracy]) {
      expect(() => figure(counts, 3)).toThrow(RequestError);
      expect(() => figure(counts, 3)).toThrow(/9 numbers, not 16/);
    }
  });
});

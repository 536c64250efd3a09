import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { jsonFixture } from '../testing/golden-files.js';
import {
  fitProbe,
  knnAccuracy,
  linearProbe,
  type LabelledFeatures,
} from './contrastive-metrics.js';

interface Split {
  readonly features: number[];
  readonly labels: number[];
}

/** What tests/fixtures/contrastive/generate.py wrote. */
interface TorchCase {
  readonly train: Split;
  readonly val: Split;
  readonly k: number;
  readonly temperature: number;
  readonly l2: number;
  readonly knn: number;
  readonly probe: { readonly loss: number; readonly weight: number[]; readonly accuracy: number };
}

const given = ({ features, labels }: Split): LabelledFeatures => ({
  features: Float32Array.from(features),
  labels: Int32Array.from(labels),
});

const cases = jsonFixture('contrastive/metrics') as TorchCase[];

describe('knnAccuracy', () => {
  it.each(cases)("with k $k at temperature $temperature is PyTorch's", (torch) => {
    const { k, temperature } = torch;
    const splits = { train: given(torch.train), val: given(torch.val) };
    expect(knnAccuracy({ ...splits, k, temperature })).toBeCloseTo(torch.knn, 10);
  });

  // Directions in the plane; lengths do not matter.
  const train = given({ features: [1, 0, 0, 5, -1, 0.1], labels: [0, 1, 1] });
  const accuracy = (query: number[], label: number, k: number, temperature = 0.07) =>
    knnAccuracy({ train, val: given({ features: query, labels: [label] }), k, temperature });

  it('asks the nearest alone for k = 1, and weighs votes by nearness', () => {
    expect(accuracy([3, 1], 0, 1)).toBe(100);
    expect(accuracy([3, 1], 1, 1)).toBe(0);
    // All three vote: at a low temperature the nearest decides, at a high one the two of class 1.
    expect(accuracy([3, 1], 0, 3)).toBe(100);
    expect(accuracy([3, 1], 1, 3, 100)).toBe(100);
  });

  it('takes all where there are fewer than k, and the lower class for equal votes', () => {
    expect(accuracy([3, 1], 0, 20)).toBe(100);
    expect(accuracy([1, 1], 0, 2)).toBe(100);
    expect(accuracy([0, 0], 1, 3)).toBe(100);
  });

  it('refuses what does not fit', () => {
    const val = given({ features: [1, 2, 3], labels: [0] });
    expect(() => knnAccuracy({ train, val })).toThrow(RequestError);
    expect(() => knnAccuracy({ train, val })).toThrow(/6 numbers for 3 labels and 3 for 1/);
    expect(() => accuracy([1, 1], 0, 0)).toThrow(/positive integer k/);
    const none = given({ features: [], labels: [] });
    expect(() => knnAccuracy({ train: none, val })).toThrow(RequestError);
    expect(() => linearProbe({ train, val: none })).toThrow(RequestError);
  });
});

describe('linearProbe', () => {
  it.each(cases)("with l2 $l2 finds PyTorch's minimum, and its accuracy", (torch) => {
    const { train, val, l2, probe } = torch;
    const { weights, loss } = fitProbe(given(train), l2);
    expect(loss).toBeCloseTo(probe.loss, 7);
    const width = train.features.length / train.labels.length;
    const withoutBiases = [...weights].filter((_, i) => i % (width + 1) !== width);
    for (const [i, weight] of probe.weight.entries()) {
      expect(withoutBiases[i], `weight ${i}`).toBeCloseTo(weight, 3);
    }
    expect(linearProbe({ train: given(train), val: given(val), l2 })).toBeCloseTo(
      probe.accuracy,
      10,
    );
  });

  it('tells classes apart by a line, with a feature that is always the same', () => {
    const train = given({ features: [0, 7, 1, 7, 10, 7, 11, 7], labels: [0, 0, 1, 1] });
    const val = given({ features: [2, 7, 9, 7, 100, 7], labels: [0, 1, 1] });
    expect(linearProbe({ train, val })).toBe(100);
    expect(() => linearProbe({ train, val, l2: -1 })).toThrow(RequestError);
  });
});

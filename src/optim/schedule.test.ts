import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { jsonFixture } from '../testing/golden-files.js';
import { constantRate, cosine, linearWarmup, multiStep } from './index.js';

/** The numbers of document 000's recipe, computed with torch: tests/fixtures/document-schedule.json. */
interface DocumentSchedule {
  recipe: {
    base_lr: number;
    warm_epochs: number;
    milestones: number[];
    gamma: number;
    iter_per_epoch: number;
  };
  /** Rate by the number of times that the warm-up was stepped. */
  warmup: Record<string, number>;
  /** Rates of the epochs, as [rate, how many epochs]. */
  as_written: [number, number][];
  /** Rate by `epoch:iteration`. */
  as_intended: Record<string, number>;
}

const recorded = jsonFixture('document-schedule') as DocumentSchedule;
const { base_lr: lr, warm_epochs: epochs, milestones, gamma, iter_per_epoch } = recorded.recipe;
const steps = multiStep({ lr, milestones, gamma });

describe('the recipe of document 000', () => {
  it('as intended: warms up iteration by iteration, then falls at the milestones', () => {
    const schedule = linearWarmup(steps, { epochs });
    const cases = Object.entries(recorded.as_intended);
    expect(cases.length).toBeGreaterThan(20);
    for (const [at, rate] of cases) {
      const [epoch = NaN, iteration = NaN] = at.split(':').map(Number);
      expect(schedule.lr(epoch, iteration, iter_per_epoch)).toBeCloseTo(rate, 15);
    }
  });

  it('as written: does not warm up', () => {
    const schedule = linearWarmup(steps, { epochs, reading: 'as-written' });
    let epoch = 0;
    for (const [rate, count] of recorded.as_written) {
      for (const end = epoch + count; epoch < end; epoch++) {
        expect(schedule.lr(epoch, 0, iter_per_epoch)).toBeCloseTo(rate, 15);
      }
    }
    expect(epoch).toBe(160);
  });

  it('after the update: the first one has rate 0, and every count gives the rate of the class', () => {
    const schedule = linearWarmup(steps, { epochs, reading: 'after-update' });
    for (const [count, rate] of Object.entries(recorded.warmup)) {
      const iteration = Number(count);
      const at = [Math.floor(iteration / iter_per_epoch), iteration % iter_per_epoch] as const;
      expect(schedule.lr(...at, iter_per_epoch)).toBeCloseTo(rate, 15);
    }
  });
});

describe('schedules', () => {
  const runs = jsonFixture('torch-cosine') as {
    lr: number;
    epochs: number;
    minLr: number;
    rates: number[];
  }[];
  it.each(runs)('cosine from $lr over $epochs epochs agrees with PyTorch', (run) => {
    const schedule = cosine(run);
    for (const [epoch, rate] of run.rates.entries()) {
      expect(schedule.lr(epoch, 0, 10)).toBeCloseTo(rate, 14);
      expect(schedule.lr(epoch, 9, 10)).toBeCloseTo(rate, 14);
    }
  });

  it('cosine per iteration falls within an epoch, is half way in the middle and stays at its end', () => {
    const schedule = cosine({ lr: 1, epochs: 3, per: 'iteration' });
    expect(schedule.lr(0, 1, 4)).toBeLessThan(schedule.lr(0, 0, 4));
    expect(schedule.lr(1, 2, 4)).toBeCloseTo(0.5, 15);
    expect(schedule.lr(5, 0, 4)).toBe(0);
  });

  it('a warm-up of half an epoch goes before any schedule', () => {
    const schedule = linearWarmup(constantRate(2), { epochs: 0.5 });
    const rates = [0, 1, 2, 3].map((iteration) => schedule.lr(0, iteration, 4));
    for (const [i, rate] of [1, 2, 2, 2].entries()) expect(rates[i]).toBeCloseTo(rate, 7);
    expect(schedule.lr(1, 0, 4)).toBe(2);
  });

  it('refuses a negative rate', () => {
    expect(() => constantRate(-0.1)).toThrow(RequestError);
    expect(() => cosine({ lr: 0.1, epochs: 0 })).toThrow(/epochs/);
  });
});

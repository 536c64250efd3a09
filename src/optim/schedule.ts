/** Learning-rate schedules: pure functions of where in the training a step stands. */
import { requireRange } from './rule.js';

/** Gives the learning rate of every step. Epochs and iterations count from 0. */
export interface Schedule {
  /**
   * @param epoch from 0
   * @param iteration within the epoch, from 0
   * @param iterationsPerEpoch the last, incomplete batch included
   */
  lr(epoch: number, iteration: number, iterationsPerEpoch: number): number;
}

/** Always the same rate. */
export function constantRate(lr: number): Schedule {
  requireRange('lr', lr, 0, Infinity);
  return { lr: () => lr };
}

/**
 * Multiplies the rate by `gamma` at the start of each epoch in `milestones`, as torch's MultiStepLR
 * in closed form: lr * gamma ^ (number of milestones <= epoch).
 */
export function multiStep(options: {
  readonly lr: number;
  readonly milestones: readonly number[];
  /** Default 0.1. */
  readonly gamma?: number;
}): Schedule {
  const { lr, milestones, gamma = 0.1 } = options;
  requireRange('lr', lr, 0, Infinity);
  return {
    lr: (epoch) => lr * gamma ** milestones.filter((milestone) => milestone <= epoch).length,
  };
}

/**
 * Half a cosine from `lr` to `minLr` over `epochs` epochs, and `minLr` after them (Loshchilov and
 * Hutter 2017, arXiv 1608.03983).
 */
export function cosine(options: {
  readonly lr: number;
  readonly epochs: number;
  /** Default 0. */
  readonly minLr?: number;
  /** Whether the rate changes once per epoch, as torch's CosineAnnealingLR (default), or with every iteration. */
  readonly per?: 'epoch' | 'iteration';
}): Schedule {
  const { lr, epochs, minLr = 0, per = 'epoch' } = options;
  requireRange('lr', lr, 0, Infinity);
  requireRange('epochs', epochs, Number.MIN_VALUE, Infinity);
  return {
    lr(epoch, iteration, iterationsPerEpoch) {
      const passed = per === 'epoch' ? epoch : epoch + iteration / iterationsPerEpoch;
      const share = Math.min(passed / epochs, 1);
      return minLr + ((lr - minLr) * (1 + Math.cos(Math.PI * share))) / 2;
    },
  };
}

/** When a warm-up's count goes up: see {@link linearWarmup}. */
export type WarmupReading = 'as-intended' | 'after-update' | 'as-written';

/**
 * Lets another schedule's rate rise linearly from 0 over its first `epochs` epochs, iteration by
 * iteration (Goyal et al. 2017, arXiv 1706.02677).
 *
 * Document 000's script builds such a warm-up but never steps it, so three readings are to be had:
 * - `as-intended` (default): counted before each update; iteration i of n gets (i + 1) / n of the rate.
 * - `after-update`: counted after each update; iteration i gets i / n, and the first update does nothing.
 * - `as-written`: what the script does when it is run literally: no warm-up at all.
 */
export function linearWarmup(
  after: Schedule,
  options: { readonly epochs: number; readonly reading?: WarmupReading },
): Schedule {
  const { epochs, reading = 'as-intended' } = options;
  requireRange('warm-up epochs', epochs, 0, Infinity);
  if (reading === 'as-written') return after;
  const ahead = reading === 'as-intended' ? 1 : 0;
  return {
    lr(epoch, iteration, iterationsPerEpoch) {
      const target = after.lr(epoch, iteration, iterationsPerEpoch);
      const total = epochs * iterationsPerEpoch;
      const done = epoch * iterationsPerEpoch + iteration + ahead;
      // The document's guard against dividing by zero, kept so that the numbers are its numbers.
      return done > total ? target : (target * done) / (total + 1e-8);
    },
  };
}

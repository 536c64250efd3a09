/** Contestants that take turns: how every pair of this benchmark is measured. */
import type { Contestant } from './contestant.js';
import type { Ready } from './protocol.js';

export interface TurnSettings {
  readonly rounds: number;
  /** Seconds that each contestant works in each round. */
  readonly seconds: number;
}

/** What one side did. */
export interface Performance {
  readonly ready: Ready;
  /** Seconds of each step of each round. */
  readonly seconds: readonly (readonly number[])[];
  /** Largest resident size, in bytes. */
  readonly peak: number;
}

type Starter = () => Promise<{ contestant: Contestant; ready: Ready }>;

/** Threads that spin for a while after a step are asleep after this time. */
const SETTLE_MILLISECONDS = 100;

/**
 * Starts all contestants and lets them work in turns.
 * @param check is shown what they computed before anything is timed; may throw
 */
export async function takeTurns(
  starters: readonly Starter[],
  { rounds, seconds }: TurnSettings,
  check: (readies: readonly Ready[]) => void,
): Promise<Performance[]> {
  const sides: { contestant: Contestant; ready: Ready; steps: number; seconds: number[][] }[] = [];
  try {
    for (const start of starters) {
      const { contestant, ready } = await start();
      // From the warm-up's fastest step: the first may compile.
      const steps = Math.max(1, Math.round(seconds / Math.min(...ready.warmUp)));
      sides.push({ contestant, ready, steps, seconds: [] });
    }
    check(sides.map(({ ready }) => ready));
    for (let round = 0; round < rounds; round++) {
      // Whoever went first goes second in the next round.
      for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));
        side.seconds.push([...(await side.contestant.round(side.steps))]);
      }
    }
    const performances: Performance[] = [];
    for (const { contestant, ready, seconds: measured } of sides) {
      performances.push({ ready, seconds: measured, peak: (await contestant.end()).peak });
    }
    return performances;
  } finally {
    for (const { contestant } of sides) contestant.kill();
  }
}

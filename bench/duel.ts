/** One workload, Fovea and PyTorch taking turns. */
import { fileURLToPath } from 'node:url';
import { Contestant } from './contestant.js';
import type { Ready } from './protocol.js';
import { median } from './statistics.js';
import { RECIPE, type Workload } from './workloads.js';

export interface Settings {
  readonly rounds: number;
  /** Seconds that each contestant works in each round. */
  readonly seconds: number;
  /** A Python that has PyTorch. */
  readonly python: string | undefined;
  /** Threads for both sides. */
  readonly threads: number;
  /** Whether `threads` was asked for; ONNX Runtime's default, as many, also pins them to cores. */
  readonly threadsGiven: boolean;
}

/** What one side did. */
export interface Side {
  readonly ready: Ready;
  /** Images/s in each round. */
  readonly rates: readonly number[];
  /** Seconds of each step of each round. */
  readonly seconds: readonly (readonly number[])[];
  /** Bytes. */
  readonly peak: number;
}

export interface DuelResult {
  readonly workload: Workload;
  readonly fovea: Side;
  readonly pytorch?: Side;
  /** Largest difference between what the two computed, over the largest value. */
  readonly difference?: number;
}

/** Both sides start from the same weights and batch, so they must compute the same. */
const TOLERANCE = 1e-4;

/** Threads that spin for a while after a step are asleep after this time. */
const SETTLE_MILLISECONDS = 100;

const scriptPath = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** @throws Error if the two sides do not compute the same */
export async function duel(
  workload: Workload,
  setup: string,
  settings: Settings,
): Promise<DuelResult> {
  const { python, threads, threadsGiven } = settings;
  const names: ('fovea' | 'pytorch')[] = python === undefined ? ['fovea'] : ['fovea', 'pytorch'];
  const start = (name: 'fovea' | 'pytorch') => {
    if (name === 'fovea') {
      const extra = threadsGiven ? [String(threads)] : [];
      return Contestant.start('Fovea', process.execPath, [
        scriptPath('./fovea.js'),
        workload.id,
        setup,
        ...extra,
      ]);
    }
    const { lr, momentum, weightDecay } = RECIPE;
    const args = [workload.kind, workload.model, setup, lr, momentum, weightDecay].map(String);
    // The compiled benchmark lies in bench/build/bench.
    const script = scriptPath('../../pytorch/contestant.py');
    const environment = { OMP_NUM_THREADS: String(threads) };
    return Contestant.start('PyTorch', python ?? '', ['-B', script, ...args], environment);
  };
  const sides = [];
  for (const name of names) {
    const { contestant, ready } = await start(name);
    // From the warm-up's fastest step: the first may compile.
    const steps = Math.max(1, Math.round(settings.seconds / Math.min(...ready.warmUp)));
    sides.push({ name, contestant, ready, steps, seconds: [] as (readonly number[])[] });
  }
  const [ours, theirs] = sides;
  if (ours === undefined) throw new Error('There is no contestant.');
  try {
    const difference = theirs && compare(workload, ours.ready, theirs.ready);
    for (let round = 0; round < settings.rounds; round++) {
      // Whoever went first goes second in the next round.
      for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));
        side.seconds.push(await side.contestant.round(side.steps));
      }
    }
    const finish = async ({ contestant, ready, seconds }: typeof ours): Promise<Side> => ({
      ready,
      seconds,
      rates: seconds.map((steps) => workload.batch / median(steps)),
      peak: (await contestant.end()).peak,
    });
    return {
      workload,
      fovea: await finish(ours),
      ...(theirs && { pytorch: await finish(theirs) }),
      ...(difference !== undefined && { difference }),
    };
  } finally {
    for (const { contestant } of sides) contestant.kill();
  }
}

function compare(workload: Workload, ours: Ready, theirs: Ready): number {
  if (ours.parameters !== theirs.parameters) {
    throw new Error(
      `${workload.id}: Fovea's network has ${ours.parameters} parameters, PyTorch's ${theirs.parameters}.`,
    );
  }
  const scale = Math.max(...theirs.check.map(Math.abs));
  const differences = theirs.check.map((value, i) => Math.abs(value - (ours.check[i] ?? NaN)));
  const difference = Math.max(...differences) / scale;
  if (!(difference <= TOLERANCE)) {
    throw new Error(
      `${workload.id}: the networks are not the same. Fovea: ${ours.check.join(', ')}; PyTorch: ${theirs.check.join(', ')}.`,
    );
  }
  return difference;
}

/** One workload, Fovea and PyTorch taking turns. */
import { fileURLToPath } from 'node:url';
import { Contestant } from './contestant.js';
import type { Ready } from './protocol.js';
import { median } from './statistics.js';
import { takeTurns, type Performance, type TurnSettings } from './turns.js';
import { RECIPE, type Workload } from './workloads.js';

export interface Settings extends TurnSettings {
  /** A Python that has PyTorch. */
  readonly python: string | undefined;
  /** Threads for both sides. */
  readonly threads: number;
  /** Whether `threads` was asked for; ONNX Runtime's default, as many, also pins them to cores. */
  readonly threadsGiven: boolean;
}

/** What one side did. */
export interface Side extends Performance {
  /** Images/s in each round. */
  readonly rates: readonly number[];
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
  let difference: number | undefined;
  const [ours, theirs] = await takeTurns(
    names.map((name) => () => start(name)),
    settings,
    ([fovea, pytorch]) => {
      if (fovea && pytorch) difference = compare(workload, fovea, pytorch);
    },
  );
  if (ours === undefined) throw new Error('There is no contestant.');
  const side = (performance: Performance): Side => ({
    ...performance,
    rates: performance.seconds.map((steps) => workload.batch / median(steps)),
  });
  return {
    workload,
    fovea: side(ours),
    ...(theirs && { pytorch: side(theirs) }),
    ...(difference !== undefined && { difference }),
  };
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

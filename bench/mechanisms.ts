/** Every mechanism against the same module in PyTorch. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Contestant } from './contestant.js';
import type { Settings } from './duel.js';
import {
  MECHANISM_CASES,
  writeMechanismSetup,
  type MechanismCase,
  type MechanismKind,
} from './mechanism-cases.js';
import type { Ready } from './protocol.js';
import { table } from './report.js';
import { median, summarize } from './statistics.js';
import { takeTurns, type Performance } from './turns.js';

/** Median over the zoo of PyTorch's time over Fovea's: at least this. */
const MEDIAN_GOAL = 1;
/** Below this a mechanism wants an explanation. */
const LEAST_GOAL = 0.5;
/** Largest relative difference of what the two sides compute. */
const TOLERANCE = 1e-3;
/** Squares of gradients that are this much smaller than the largest are noise: they are zero on paper. */
const NOISE = 1e-6;

/** What one side did. */
interface Side {
  readonly ready: Ready;
  /** Seconds of the median step of each round. */
  readonly medians: readonly number[];
  /** Largest resident size, in bytes. */
  readonly peak: number;
}

export interface MechanismResult {
  readonly case: MechanismCase;
  readonly fovea?: Side;
  readonly pytorch?: Side;
  /** PyTorch's median step over Fovea's, in each round. */
  readonly ratios?: readonly number[];
  /** Why there is no result. */
  readonly error?: string;
}

const scriptPath = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Measures one case. A case that fails says why, and does not stop the others. */
export async function measureMechanism(
  one: MechanismCase,
  folder: string,
  settings: Settings,
): Promise<MechanismResult> {
  const setup = join(folder, `${one.id}.safetensors`);
  const { threads, threadsGiven, python } = settings;
  const ours = () =>
    Contestant.start('Fovea', process.execPath, [
      scriptPath('./mechanism-fovea.js'),
      one.id,
      setup,
      ...(threadsGiven ? [String(threads)] : []),
    ]);
  const theirs = () => {
    const { mechanism, shape, options, kind } = one;
    // The compiled benchmark lies in bench/build/bench.
    const script = scriptPath('../../pytorch/mechanisms.py');
    const args = [mechanism, String(shape[1]), JSON.stringify(options), kind, setup];
    const environment = { OMP_NUM_THREADS: String(threads) };
    return Contestant.start('PyTorch', python ?? '', ['-B', script, ...args], environment);
  };
  try {
    await writeMechanismSetup(one, setup);
    const starters = python === undefined ? [ours] : [ours, theirs];
    const performances = await takeTurns(starters, settings, ([a, b]) => {
      if (a && b) compare(a, b);
    });
    const [fovea, pytorch] = performances.map(summary);
    if (fovea === undefined || pytorch === undefined) {
      return { case: one, ...(fovea && { fovea }), error: 'no PyTorch to compare with' };
    }
    const ratios = fovea.medians.map((seconds, i) => (pytorch.medians[i] ?? NaN) / seconds);
    return { case: one, fovea, pytorch, ratios };
  } catch (error) {
    return { case: one, error: error instanceof Error ? error.message : String(error) };
  } finally {
    rmSync(setup, { force: true });
  }
}

function summary({ ready, seconds, peak }: Performance): Side {
  return { ready, medians: seconds.map(median), peak };
}

/** The first number is a sum of both signs, the others are sums of squares. */
function compare(ours: Ready, theirs: Ready): void {
  if (ours.parameters !== theirs.parameters || ours.check.length !== theirs.check.length) {
    throw new Error(
      `not the same module: ${ours.parameters} parameters, and ${theirs.parameters} in PyTorch`,
    );
  }
  const largest = Math.max(...theirs.check.slice(1).map(Math.abs), 0);
  for (const [i, value] of theirs.check.entries()) {
    const scale = i === 0 ? Math.max(Math.abs(value), 1) : Math.max(value, NOISE * largest);
    const difference = Math.abs((ours.check[i] ?? NaN) - value) / scale;
    if (!(difference <= TOLERANCE)) {
      const what = i === 0 ? 'the sum of the outputs' : `gradient ${i}`;
      throw new Error(`not the same module: ${what} is ${ours.check[i] ?? NaN}, not ${value}`);
    }
  }
}

/** A row for each mechanism, and the judgement over all of them. */
export function mechanismTable(results: readonly MechanismResult[]): string {
  const columns = [...new Set(MECHANISM_CASES.map(({ shape }) => shape))].flatMap((shape) =>
    (['forward', 'backward'] as const).map((kind) => ({ shape, kind })),
  );
  const ids = [...new Set(results.map((result) => result.case.mechanism))];
  const rows = ids.map((id) => [
    id,
    ...columns.map(({ shape, kind }) => {
      const found = results.find(
        (result) =>
          result.case.mechanism === id &&
          result.case.kind === kind &&
          result.case.shape.join() === shape.join(),
      );
      return found ? cell(found) : '';
    }),
  ]);
  const titles: Record<MechanismKind, string> = {
    forward: 'forward',
    backward: 'forward + backward',
  };
  const headings = columns.map(({ shape, kind }) => `${titles[kind]} [${shape.join(', ')}]`);
  return [
    "PyTorch's time over Fovea's, with the range over the rounds, and Fovea's time of a step:",
    table(['mechanism', ...headings], rows),
    judgement(results),
    ...results.flatMap(({ case: { id }, error }) => (error ? [`${id}: ${error}.`] : [])),
  ].join('\n\n');
}

function cell({ ratios, fovea, error }: MechanismResult): string {
  if (ratios === undefined || fovea === undefined) return `none: ${error ?? 'not measured'}`;
  const { median: middle, min, max } = summarize(ratios);
  const milliseconds = 1000 * median(fovea.medians);
  const ratio = `${middle.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
  return `${middle < LEAST_GOAL ? `**${ratio}**` : ratio}, ${Number(milliseconds.toPrecision(2))} ms`;
}

function judgement(results: readonly MechanismResult[]): string {
  const measured = results.flatMap(({ case: { id }, ratios }) =>
    ratios ? [{ id, ratio: median(ratios) }] : [],
  );
  if (measured.length === 0) return 'Nothing was measured.';
  const middle = median(measured.map(({ ratio }) => ratio));
  const low = measured.filter(({ ratio }) => ratio < LEAST_GOAL);
  const verdict = middle >= MEDIAN_GOAL ? 'holds' : '**missed**';
  const below = low.length === 0 ? 'none' : low.map(({ id }) => id).join(', ');
  return `Median of ${measured.length} ratios: ${middle.toFixed(2)} (goal: at least ${MEDIAN_GOAL.toFixed(1)}, ${verdict}). Below ${LEAST_GOAL}: ${below}.`;
}

/** Parity with PyTorch through the product's own path: a golden case, built, loaded and run on a device. */
import { FileError, FoveaError } from '../errors.js';
import type { Device, Runtime } from '../runtime/runtime.js';
import type { TensorData } from '../tensor/op.js';
import { ndarray } from '../tensor/ndarray.js';
import {
  compareWithGolden,
  GOLDEN_TOLERANCE,
  readGolden,
  type Evaluate,
  type GoldenCase,
  type GoldenDifference,
  type GoldenKind,
} from './golden.js';
import { requireModestConfig, requireModestGraph } from './golden-bounds.js';
import { parityEntry } from './table.js';

/** What came of one case. */
export interface Verification {
  readonly file: string;
  /** The id in the file's metadata; null if the file could not be read that far. */
  readonly module: string | null;
  /** `error`: the case could not be compared at all. */
  readonly status: 'pass' | 'fail' | 'error';
  /** The largest error of each kind, relative as {@link GoldenDifference.error} says; null where nothing was compared. */
  readonly error: Readonly<Record<GoldenKind, number | null>>;
  /** What is wrong and by how much; for `pass` where float32 itself is too uncertain for the tolerance, else empty. */
  readonly message: string;
}

/** The differences of a case, and how large each may be. */
export interface Comparison {
  readonly differences: readonly GoldenDifference[];
  readonly tolerance: Readonly<Record<GoldenKind, number>>;
}

/** Runs a case on a device and compares. */
export type Compare = (golden: GoldenCase, runtime: Runtime) => Promise<Comparison>;

/** What float32 may lose on other devices than the CPU, whose sums have other orders and shorter functions. */
const ELSEWHERE = 1e-4;

/** How far a value of each kind may be off on a device. */
export function toleranceOn(device: Device): Readonly<Record<GoldenKind, number>> {
  if (device === 'cpu') return GOLDEN_TOLERANCE;
  return { eval: ELSEWHERE, attn: ELSEWHERE, train: ELSEWHERE, state: ELSEWHERE, grad: ELSEWHERE };
}

/**
 * Verifies one file. Whatever is wrong with it is the result's message: nothing is thrown.
 * @param file what the result calls it, usually its path
 * @param read gives its bytes; may fail
 * @param others cases of another layout than a module's, by their id
 */
export async function verifyCase(
  file: string,
  read: () => Promise<Uint8Array>,
  runtime: Runtime,
  others: Readonly<Record<string, Compare>> = {},
): Promise<Verification> {
  let module: string | null = null;
  try {
    const golden = readGolden(await read(), file);
    module = golden.module;
    requireModestConfig(golden);
    const compare = Object.hasOwn(others, module) ? others[module] : undefined;
    const comparison = await (compare ?? compareModule)(golden, runtime);
    return { file, module, ...judge(comparison) };
  } catch (error) {
    return { file, module, status: 'error', error: largestOfEach([]), message: inWords(error) };
  }
}

/** A case of the usual layout: one module, in eval and in training, with all gradients. */
const compareModule: Compare = async (golden, runtime) => {
  const subject = parityEntry(golden.module).build(golden.config);
  const differences = await compareWithGolden(golden, subject, evaluateOn(runtime));
  return { differences, tolerance: toleranceOn(runtime.device) };
};

/** Computes tensors of a graph on a device. */
export function evaluateOn(runtime: Runtime): Evaluate {
  return async (outputs, feeds) => {
    requireModestGraph(outputs);
    const inputs = [...feeds].map(([tensor, { data }], i) => ({ name: `in${i}`, tensor, data }));
    const executable = await runtime.compile({
      inputs: Object.fromEntries(inputs.map(({ name, tensor }) => [name, tensor])),
      outputs: Object.fromEntries(outputs.map((tensor, i) => [`out${i}`, tensor])),
    });
    try {
      const values = inputs.map(({ name, tensor, data }): [string, TensorData] => {
        const typed = tensor.dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data);
        return [name, typed];
      });
      const results = await executable.run(Object.fromEntries(values));
      return outputs.map(({ shape }, i) => {
        const result = results[`out${i}`];
        if (result === undefined) throw new FoveaError(`The run gave no output out${i}.`);
        return ndarray(shape, Float64Array.from(result.data, Number));
      });
    } finally {
      await executable.dispose();
    }
  };
}

function judge({
  differences,
  tolerance,
}: Comparison): Pick<Verification, 'status' | 'error' | 'message'> {
  if (differences.length === 0) {
    throw new FileError('The case holds nothing to compare with: no outputs and no gradients.');
  }
  const beyond = differences
    .filter(({ kind, error }) => !(error <= tolerance[kind]))
    .sort((a, b) => b.error / tolerance[b.kind] - a.error / tolerance[a.kind]);
  const shown = beyond.slice(0, 3).map(({ name, kind, error }) => {
    return Number.isFinite(error)
      ? `${name} is off by ${error.toExponential(1)}, tolerance ${tolerance[kind]}`
      : `${name} is of another shape, or not finite`;
  });
  if (beyond.length > 3) shown.push(`and ${beyond.length - 3} more`);
  return {
    status: beyond.length === 0 ? 'pass' : 'fail',
    error: largestOfEach(differences),
    message: [...shown, ...uncertain(differences)].join('; '),
  };
}

/** Says where rounding alone can be more than the tolerance, as in batch normalisation over few numbers. */
function uncertain(differences: readonly GoldenDifference[]): string[] {
  const found = differences.filter(({ uncertainty }) => uncertainty !== undefined);
  const [first] = [...found].sort((a, b) => (b.uncertainty ?? 0) - (a.uncertainty ?? 0));
  if (first === undefined) return [];
  const others = found.length > 1 ? ` and ${found.length - 1} more` : '';
  return [
    `float32 itself is uncertain by ${(first.uncertainty ?? 0).toExponential(1)} in ${first.name}${others}, ` +
      'so such values were held against that and not against the tolerance',
  ];
}

function largestOfEach(differences: readonly GoldenDifference[]): Verification['error'] {
  const largest = (wanted: GoldenKind) => {
    const errors = differences.flatMap(({ kind, error }) => (kind === wanted ? [error] : []));
    return errors.length === 0 ? null : Math.max(...errors);
  };
  return {
    eval: largest('eval'),
    attn: largest('attn'),
    train: largest('train'),
    state: largest('state'),
    grad: largest('grad'),
  };
}

function inWords(error: unknown): string {
  if (error instanceof FoveaError) return error.message;
  const reason = error instanceof Error ? error.message : String(error);
  return `The module could not be run on the case's tensors: ${reason}`;
}

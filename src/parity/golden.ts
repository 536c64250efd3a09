/**
 * Golden cases: a module's inputs, parameters, outputs and gradients as PyTorch computed them, one
 * safetensors file each (tests/fixtures/golden; the layout is described in README.md there).
 */
import { z } from 'zod';
import { gradients } from '../autodiff/gradients.js';
import { FileError, FoveaError } from '../errors.js';
import { record } from '../nn/context.js';
import type { Module, StateEntry } from '../nn/module.js';
import { isLoadable } from '../nn/state-dict.js';
import { constant, input } from '../ops/index.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { sameShape, type Shape } from '../tensor/shape.js';
import { float32Spread, SPREADS } from '../tensor/rounding.js';
import type { Tensor } from '../tensor/tensor.js';
import { hasNumbers } from '../formats/dtypes.js';
import { rename, renameState, type NameMap } from '../weights/names.js';
import { readSafetensors, type StoredTensor } from '../formats/safetensors.js';

/** What a tensor of a case is compared as. */
export type GoldenKind = 'eval' | 'attn' | 'train' | 'state' | 'grad';

/** How far a value of each kind may be off, relative as {@link GoldenDifference.error} says. */
export const GOLDEN_TOLERANCE: Readonly<Record<GoldenKind, number>> = {
  eval: 2e-5,
  attn: 2e-5,
  train: 2e-5,
  state: 1e-5,
  grad: 1e-4,
};

export interface GoldenCase {
  /** The module's id, such as `se.conv`. */
  readonly module: string;
  /** The constructor's arguments in the document. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Gradients that are zero on paper, and noise in the file: said of them is not that float32 is uncertain. */
  readonly nearZero: readonly string[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Reads a case from the bytes of its file.
 * @param file what errors call it, usually its path
 * @throws FileError if it is no safetensors file, or its metadata is not that of a case
 */
export function readGolden(bytes: Uint8Array, file: string): GoldenCase {
  const { tensors, metadata } = readSafetensors(bytes, file);
  for (const [name, { dtype }] of tensors) {
    if (!hasNumbers(dtype)) {
      throw new FileError(
        `${file}: '${name}' is of the type ${dtype}, with which nothing computes.`,
      );
    }
  }
  const { module } = metadata;
  if (!module) {
    throw new FileError(
      `${file}: not a golden case: its metadata has no 'module', the id of what was run.`,
    );
  }
  const json = <Schema extends z.ZodType>(key: string, what: string, schema: Schema) => {
    const parsed = schema.safeParse(parseJson(metadata[key]));
    if (parsed.success) return parsed.data;
    throw new FileError(
      `${file}: the metadata '${key}' must be ${what} in JSON, not ${metadata[key]?.slice(0, 80) ?? 'absent'}.`,
    );
  };
  return {
    module,
    config: json(
      'config',
      "an object, the constructor's arguments",
      z.record(z.string(), z.unknown()),
    ),
    nearZero: json('near_zero_grads', 'a list of names', z.array(z.string()).default([])),
    tensors,
  };
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return null;
  }
}

/** Computes tensors of a graph: the reference evaluator, or a runtime. */
export type Evaluate = (
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, NdArray>,
) => Promise<readonly NdArray[]> | readonly NdArray[];

/** What is held against a case. */
export interface GoldenSubject {
  /** Holds the case's parameters; absent for a plain function. */
  readonly module?: Module;
  /** Default: the module's own forward on all inputs, with one output or several. */
  readonly forward?: (inputs: readonly Tensor[]) => readonly Tensor[];
  /** From the case's state_dict names to the module's. */
  readonly names?: NameMap;
  /** From the case's attention tensors (`gate`) to the names they are exposed under (`channel`). */
  readonly attention?: Readonly<Record<string, string>>;
}

/** How far one tensor is off. */
export interface GoldenDifference {
  readonly name: string;
  readonly kind: GoldenKind;
  /**
   * The largest difference of an element, relative to the largest element of the tensor; of a
   * gradient, at least to a thousandth of the case's largest gradient. Where that is beyond
   * {@link GOLDEN_TOLERANCE}, what float32 may lose in the tensor is measured, and if it is more than
   * the tolerance, the difference is held against it: then the error is the tolerance times the share
   * of it. Infinite where the shapes differ (for inner maps: but for axes of size 1) or a value is
   * not finite.
   */
  readonly error: number;
  /** By how much float32 itself is uncertain, relative to the same; only where it is by more than the tolerance. */
  readonly uncertainty?: number;
}

/** What is wrong with a case that has nothing to run on. */
export const NO_INPUTS = 'The case has no inputs (input.0, input.1, ..) for its module.';

/** What a gradient is held against at least, as a share of the case's largest: smaller ones are left over from sums that cancel. */
const LEAST_GRADIENT = 1e-3;

/**
 * Runs a subject on a case, in eval and in training, and compares every tensor that the case holds.
 * @throws FoveaError for a tensor of the case that the subject has no counterpart to
 */
export async function compareWithGolden(
  golden: GoldenCase,
  subject: GoldenSubject,
  evaluate: Evaluate,
): Promise<GoldenDifference[]> {
  const { names = {}, attention = {}, module, forward = forwardOf(subject) } = subject;
  const feeds = new Map<Tensor, NdArray>();
  const inputs = withPrefix(golden, 'input.').map(([index, { shape, dtype, data }]) => {
    const tensor = input(index, shape, dtype === 'I64' ? 'int32' : 'float32');
    feeds.set(tensor, ndarray(shape, Float64Array.from(data, Number)));
    return tensor;
  });
  if (module) {
    module.loadStateDict(renameState(stateOf(golden), names));
    module.assignPaths();
    for (const [, part] of [...module.namedParameters(), ...module.namedBuffers()]) {
      feeds.set(part.tensor, ndarray(part.shape, part.data));
    }
  }

  const actual = new Map<string, Tensor>();
  const inEval = record(false, () => forward(inputs));
  inEval.output.forEach((output, i) => actual.set(`eval.output.${i}`, output));
  for (const [theirs, ours] of Object.entries(attention)) {
    const map = inEval.record.exposed.get(ours);
    if (map) actual.set(`eval.attn.${theirs}`, map);
  }

  const inTraining = record(true, () => forward(inputs));
  inTraining.output.forEach((output, i) => actual.set(`train.output.${i}`, output));
  const parameters = new Map([...(module?.namedParameters() ?? [])]);
  const sources = [...inputs, ...[...parameters.values()].map((p) => p.tensor)];
  const withCotangent = inTraining.output.flatMap((output, i) => {
    const cotangent = golden.tensors.get(`cotangent.${i}`);
    return cotangent ? [{ output, cotangent: toConstant(cotangent) }] : [];
  });
  const found = gradients(
    withCotangent.map(({ output }) => output),
    sources,
    withCotangent.map(({ cotangent }) => cotangent),
  );
  const gradientOf = new Map(sources.map((source, i) => [source, found[i]]));
  const buffers = new Map([...(module?.namedBuffers() ?? [])]);
  for (const name of golden.tensors.keys()) {
    let tensor: Tensor | undefined;
    if (name.startsWith('train.state.')) {
      const buffer = buffers.get(rename(name.slice('train.state.'.length), names));
      tensor = buffer && (inTraining.record.updates.get(buffer) ?? buffer.tensor);
    } else if (name.startsWith('grad.input.')) {
      const source = inputs[Number(name.slice('grad.input.'.length))];
      tensor = source && gradientOf.get(source);
    } else if (name.startsWith('grad.param.')) {
      const parameter = parameters.get(rename(name.slice('grad.param.'.length), names));
      tensor = parameter && gradientOf.get(parameter.tensor);
    }
    if (tensor) actual.set(name, tensor);
  }

  const wanted = [...golden.tensors].filter(([name]) => !/^(input|param|cotangent)\./.test(name));
  const missing = wanted.filter(([name]) => !actual.has(name)).map(([name]) => name);
  if (missing.length > 0) {
    throw new FoveaError(`Nothing to compare with in the case: ${missing.join(', ')}.`);
  }
  const values = await evaluate([...actual.values()], feeds);
  const valueOf = new Map([...actual.keys()].map((name, i) => [name, values[i]]));
  const largestGradient = Math.max(
    0,
    ...wanted.filter(([name]) => name.startsWith('grad.')).map(([, { data }]) => largest(data)),
  );
  const compared = wanted.map(([name, expected]) => {
    const kind = kindOf(name);
    const value = valueOf.get(name);
    const scale = Math.max(
      largest(expected.data),
      kind === 'grad' ? LEAST_GRADIENT * largestGradient : 0,
    );
    const alike = value && sameSizes(value.shape, expected.shape, kind);
    return { name, kind, scale, off: alike ? distance(value, expected) : Infinity };
  });
  const losses = float32Losses(
    compared
      .filter(({ kind, scale, off }) => off > GOLDEN_TOLERANCE[kind] * scale && off < Infinity)
      .map(({ name }) => [name, actual.get(name)] as const),
    feeds,
  );
  return compared.map(({ name, kind, scale, off }) => {
    const loss = losses.get(name) ?? 0;
    if (!(loss > GOLDEN_TOLERANCE[kind] * scale)) {
      return { name, kind, error: off === 0 ? 0 : off / scale };
    }
    const error = (off / loss) * GOLDEN_TOLERANCE[kind];
    const zero = golden.nearZero.includes(name);
    return { name, kind, error, ...(!zero && { uncertainty: loss / scale }) };
  });
}

/** How much float32 may lose in tensors, at most, by name. */
function float32Losses(
  tensors: readonly (readonly [string, Tensor | undefined])[],
  feeds: ReadonlyMap<Tensor, NdArray>,
): Map<string, number> {
  const known = tensors.flatMap(([name, tensor]) => (tensor ? [{ name, tensor }] : []));
  const { spread } = float32Spread(
    known.map(({ tensor }) => tensor),
    feeds,
  );
  return new Map(known.map(({ name }, i) => [name, SPREADS * largest(spread[i]?.data ?? [])]));
}

/** The differences that are too large, ready to be printed: empty when the case holds. */
export function beyondTolerance(differences: readonly GoldenDifference[]): string[] {
  return differences
    .filter(({ kind, error }) => !(error <= GOLDEN_TOLERANCE[kind]))
    .map(({ name, kind, error }) => `${name}: ${error} > ${GOLDEN_TOLERANCE[kind]}`);
}

function forwardOf({ module }: GoldenSubject): (inputs: readonly Tensor[]) => readonly Tensor[] {
  return (inputs) => {
    if (inputs.length === 0) {
      throw new FileError(NO_INPUTS);
    }
    const output = (module?.forward as (...all: readonly Tensor[]) => Tensor | Tensor[])(...inputs);
    return Array.isArray(output) ? output : [output];
  };
}

function kindOf(name: string): GoldenKind {
  if (name.startsWith('eval.attn.')) return 'attn';
  if (name.startsWith('eval.')) return 'eval';
  if (name.startsWith('train.state.')) return 'state';
  return name.startsWith('train.') ? 'train' : 'grad';
}

function withPrefix({ tensors }: GoldenCase, prefix: string): [string, StoredTensor][] {
  return [...tensors]
    .filter(([name]) => name.startsWith(prefix))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function stateOf(golden: GoldenCase): Map<string, StateEntry> {
  return new Map(
    withPrefix(golden, 'param.').map(([name, { shape, data }]) => [
      name.slice('param.'.length),
      {
        shape,
        data: data instanceof BigInt64Array ? data : Float32Array.from(data, Number),
      },
    ]),
  );
}

function toConstant({ shape, data }: StoredTensor): Tensor {
  return constant(Float64Array.from(data, Number), shape);
}

function largest(data: ArrayLike<number | bigint>): number {
  return Array.from(data, Number).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

/**
 * Whether two shapes are the same. The documents' inner maps are of the same meaning with and without
 * axes of size 1 (a gate is [B, C] in one class and [B, C, 1, 1] in the next), ours always with. Where they
 * have linear layers for what is one place, we have 1x1 convolutions.
 */
function sameSizes(actual: Shape, expected: Shape, kind: GoldenKind): boolean {
  if (kind === 'grad') return isLoadable(expected, actual);
  const sizes = (shape: Shape) => (kind === 'attn' ? shape.filter((size) => size !== 1) : shape);
  return sameShape(sizes(actual), sizes(expected));
}

/** Largest difference of two tensors of one shape; infinite where a value is not finite. */
function distance(actual: NdArray, expected: StoredTensor): number {
  let most = 0;
  for (const [i, v] of actual.data.entries()) {
    const difference = Math.abs(v - Number(expected.data[i]));
    if (!(difference <= most)) most = Number.isNaN(difference) ? Infinity : difference;
  }
  return most;
}

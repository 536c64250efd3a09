import { FoveaError } from '../errors.js';
import { input } from '../ops/index.js';
import { currentScope } from '../tensor/scope.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Meaning } from './expose.js';
import type { Buffer } from './parameter.js';

/** A random tensor that the host draws afresh for every run and feeds, such as a dropout mask. */
export interface Noise {
  readonly tensor: Tensor;
  /** What it is for: the module path and name, part of the random generator's key. */
  readonly purpose: string;
  /** Each element is `scale` with this probability, else 0. */
  readonly keepProbability: number;
  readonly scale: number;
}

/** What a forward pass leaves behind besides its output. */
export interface ForwardRecord {
  readonly training: boolean;
  /** New values of buffers, such as running statistics, by the buffer. */
  readonly updates: Map<Buffer, Tensor>;
  /** Inner maps and gates by `path.name`. */
  readonly exposed: Map<string, Tensor>;
  /** What each of these means, by the same names. */
  readonly meanings: Map<string, Meaning>;
  readonly noise: Noise[];
}

let active: ForwardRecord | undefined;

function emptyRecord(training: boolean): ForwardRecord {
  return { training, updates: new Map(), exposed: new Map(), meanings: new Map(), noise: [] };
}

/** The record of the forward pass that is running; in eval mode outside of any. */
export function forwardRecord(): ForwardRecord {
  return active ?? emptyRecord(false);
}

/**
 * Runs a forward pass and records what it leaves behind.
 * @param training true: BatchNorm uses the batch's statistics and updates the running ones, dropout drops
 */
export function record<T>(
  training: boolean,
  forward: () => T,
): { output: T; record: ForwardRecord } {
  if (active !== undefined)
    throw new FoveaError('A forward pass cannot be recorded inside another.');
  const own = emptyRecord(training);
  active = own;
  try {
    return { output: forward(), record: own };
  } finally {
    active = undefined;
  }
}

/** A fresh random mask in the graph: `scale` with probability `keepProbability`, else 0. */
export function bernoulliNoise(
  name: string,
  shape: Shape,
  keepProbability: number,
  scale: number,
): Tensor {
  const { noise } = forwardRecord();
  const purpose = `${currentScope()}.${name}.${noise.length}`;
  const tensor = input(`noise.${purpose}`, shape);
  noise.push({ tensor, purpose, keepProbability, scale });
  return tensor;
}

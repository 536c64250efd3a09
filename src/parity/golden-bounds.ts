/** What a golden case may ask for: its file may come from anybody, and a few bytes can ask for much. */
import { FileError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { multiplyAccumulates } from '../inspect/cost.js';
import type { GoldenCase } from './golden.js';

/** Values of all tensors in the graph of a case, forwards and backwards: 1 GiB in float32. */
export const MOST_VALUES = 2 ** 28;
/** A number in a configuration up to this is refused by its own meaning alone. */
const HARMLESS = 64;
/** Multiply-accumulates of that graph: some seconds on one core. */
export const MOST_MACS = 1e11;

/**
 * Refuses a configuration that cannot be that of the case's tensors, before anything is made of it:
 * channels, layers, sizes and the like are no larger than the longest axis of a tensor.
 * @throws FileError naming the setting
 */
export function requireModestConfig({ config, tensors }: GoldenCase): void {
  const axes = [...tensors.values()].flatMap(({ shape, data }) => (data.length > 0 ? shape : []));
  const longest = axes.reduce((most, size) => Math.max(most, size), 1);
  for (const [name, value] of numbersIn(config)) {
    if (Math.abs(value) <= Math.max(longest, HARMLESS)) continue;
    throw new FileError(
      `The configuration asks for ${name} = ${value}, but no tensor of the case has an axis longer than ${longest}: it is not the configuration of these tensors.`,
    );
  }
}

/**
 * Refuses a graph that would take too much memory or time, before it is run.
 * @throws FileError with what it would take, and what it may
 */
export function requireModestGraph(outputs: readonly Tensor[]): void {
  const values = topologicalOrder(outputs).reduce((total, { size }) => total + size, 0);
  const macs = multiplyAccumulates(outputs);
  if (values <= MOST_VALUES && macs <= MOST_MACS) return;
  throw new FileError(
    `The case would compute ${values} values with ${macs} multiply-adds; at most ${MOST_VALUES} and ${MOST_MACS} are run.`,
  );
}

/** The numbers in a configuration, each under the name of its setting; lists and objects are looked into. */
function* numbersIn(config: Readonly<Record<string, unknown>>): Generator<[string, number]> {
  // Without recursion: nothing says how deep a configuration is nested.
  const pending = Object.entries(config);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [name, value] = next;
    if (typeof value === 'number') yield [name, value];
    else if (typeof value === 'object' && value !== null) {
      for (const part of Object.values(value)) pending.push([name, part]);
    }
  }
}

/** How a state_dict differs from what a module has, and how that is said. */
import { RequestError } from '../errors.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';

/**
 * Whether an entry of the shape `found` can be taken for a parameter of the shape `expected`: if they are the
 * same, or if it is the weight [O, I] of a linear layer and the parameter that of a 1x1 convolution,
 * [O, I, 1, 1].
 */
export function isLoadable(found: Shape, expected: Shape): boolean {
  if (sameShape(found, expected)) return true;
  const isPointwise = expected.length === 4 && expected[2] === 1 && expected[3] === 1;
  return isPointwise && sameShape(found, expected.slice(0, 2));
}

/** A tensor that has another shape than the module's. */
export interface Reshaped {
  readonly name: string;
  readonly found: Shape;
  readonly expected: Shape;
}

/** What stands between a state_dict and a module. */
export interface Mismatch {
  /** Names that the module has and the state_dict has not. */
  readonly missing: readonly string[];
  /** Names that the state_dict has and the module has not. */
  readonly unknown: readonly string[];
  readonly reshaped: readonly Reshaped[];
}

/** How many of a list are shown. */
const SHOWN = 5;

/** A state_dict that does not fit a module, with everything in which it does not. */
export class StateDictError extends RequestError {
  override name = 'StateDictError';

  constructor(readonly mismatch: Mismatch) {
    super(`The weights do not fit the model:\n${factsOf(mismatch).join('\n')}`);
  }
}

/** One line for each kind of difference. */
function factsOf({ missing, unknown, reshaped }: Mismatch): string[] {
  const shapes = reshaped.map(
    ({ name, found, expected }) =>
      `${name} is ${formatShape(found)}, expected ${formatShape(expected)}`,
  );
  return [
    ...fact('missing', missing, ', '),
    ...fact('unknown', unknown, ', '),
    ...fact('of another shape', shapes, '; '),
  ];
}

function fact(what: string, items: readonly string[], separator: string): string[] {
  if (items.length === 0) return [];
  const shown = items.slice(0, SHOWN).join(separator);
  const more = items.length > SHOWN ? `${separator}and ${items.length - SHOWN} more` : '';
  return [`  ${what} (${items.length}): ${shown}${more}`];
}

import type { Attributes, DType, Op } from './op.js';
import { elementCount, formatShape, type Shape } from './shape.js';
import { currentScope } from './scope.js';

let created = 0;

/**
 * A node of a graph: the symbolic result of one op. It has a shape and a dtype but no values;
 * values appear when a graph is compiled and run.
 *
 * The fluent methods (`x.conv(w)`, `x.relu()`, ...) are declared beside their ops in `src/ops`.
 */
export class Tensor {
  /** Rises with creation, so that sorting by it is a topological order. */
  readonly id: number = created++;
  /** Path of the module whose forward made this tensor. */
  readonly scope: string = currentScope();

  constructor(
    readonly op: Op,
    readonly inputs: readonly Tensor[],
    readonly attributes: Attributes,
    readonly shape: Shape,
    readonly dtype: DType,
  ) {}

  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  /** Size of one axis; negative axes count from the end. */
  dim(axis: number): number {
    const size = this.shape.at(axis);
    if (size === undefined) {
      throw new RangeError(`axis ${axis} of a tensor of shape ${formatShape(this.shape)}`);
    }
    return size;
  }

  toString(): string {
    return `Tensor(${this.op.name}, ${this.dtype} ${formatShape(this.shape)})`;
  }
}

/**
 * Adds fluent methods to Tensor. Each op file declares the types of its own methods by
 * declaration merging and installs them here, so that the Tensor class needs to know no op.
 */
export function installMethods(
  methods: Record<string, (this: Tensor, ...args: never[]) => unknown>,
): void {
  for (const [name, method] of Object.entries(methods)) {
    Object.defineProperty(Tensor.prototype, name, {
      value: method,
      writable: true,
      configurable: true,
    });
  }
}

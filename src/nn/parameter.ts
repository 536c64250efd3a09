import { RequestError } from '../errors.js';
import type { RandomStream } from '../random/index.js';
import { input } from '../ops/index.js';
import type { DType } from '../tensor/op.js';
import { elementCount, formatShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Fills a new parameter's values from a stream of random numbers. */
export type Initializer = (values: Float32Array, random: RandomStream) => void;

/** The most values of one parameter: 4 GiB. */
const MOST_VALUES = 2 ** 30;

/** Values that an optimiser learns. In a graph they appear as the input {@link tensor}. */
export class Parameter {
  readonly tensor: Tensor;
  private values: Float32Array | undefined;

  /**
   * @param initializer draws the first values; see `initialize` for when
   * @param trainable whether optimisers change it; default true
   * @throws RequestError for a shape of more than 2^30 values
   */
  constructor(
    readonly shape: Shape,
    private readonly initializer: Initializer,
    readonly trainable = true,
  ) {
    const values = elementCount(shape);
    if (!(values <= MOST_VALUES)) {
      throw new RequestError(
        `A parameter of shape ${formatShape(shape)} would have ${values} values; at most ${MOST_VALUES} are held. Choose fewer channels or units.`,
      );
    }
    this.tensor = input('parameter', shape);
  }

  /** Draws new values. */
  initialize(random: RandomStream): void {
    const values = new Float32Array(elementCount(this.shape));
    this.initializer(values, random);
    this.values = values;
  }

  get initialized(): boolean {
    return this.values !== undefined;
  }

  /** The current values, row-major; zeros before initialisation. */
  get data(): Float32Array {
    this.values ??= new Float32Array(elementCount(this.shape));
    return this.values;
  }

  set data(values: Float32Array) {
    this.values = values;
  }
}

/** Values that a module keeps but does not learn, such as running statistics. */
export class Buffer {
  readonly tensor: Tensor;
  private values: Float32Array | Int32Array | undefined;

  constructor(
    readonly shape: Shape,
    readonly dtype: Extract<DType, 'float32' | 'int32'> = 'float32',
    private readonly initial = 0,
  ) {
    this.tensor = input('buffer', shape, dtype);
  }

  /** The current values, row-major. They take no memory before somebody asks for them. */
  get data(): Float32Array | Int32Array {
    this.values ??= this.initialValues();
    return this.values;
  }

  set data(values: Float32Array | Int32Array) {
    this.values = values;
  }

  /** Back to the values that it started with. */
  reset(): void {
    this.values = undefined;
  }

  private initialValues(): Float32Array | Int32Array {
    const count = elementCount(this.shape);
    const values = this.dtype === 'float32' ? new Float32Array(count) : new Int32Array(count);
    return values.fill(this.initial);
  }
}

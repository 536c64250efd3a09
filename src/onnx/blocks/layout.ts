/**
 * The blocked layout of ONNX Runtime's CPU provider (its internal domain `com.microsoft.nchwc`).
 *
 * A feature map [B, C, H, W] is kept as [B, C/K, H, W, K], where K, the block, is the number of
 * floats in a vector register: the convolution kernels made for it are up to twice as fast as the
 * plain ones, and a per-channel affine map, an addition and a ReLU ride along for free. ONNX Runtime
 * uses it by itself only for weights that are constants; in training they are inputs, so we write
 * it ourselves.
 *
 * Everything that knows of it is in this folder. Each rule here is an alternative to an op's plain
 * lowering; a rule that does not fit a node returns undefined, and the plain one is used. Values
 * are converted between the layouts where an op needs the other one, and once.
 */
import type { AttributeValue, DType, Value } from '../../tensor/op.js';
import { FoveaError } from '../../errors.js';
import type { OpNode } from '../../ops/define.js';
import { at, type Shape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { topologicalOrder } from '../../tensor/walk.js';
import { onnxType, type GraphEmitter } from '../emitter.js';

/** The domain of ONNX Runtime's blocked ops. */
export const DOMAIN = 'com.microsoft.nchwc';

/**
 * How a tensor's elements lie in memory: as its shape says; a feature map in blocks of channels; or
 * a convolution's weight [O, C, kh, kw] as [O/K, C/K, kh, kw, K of C, K of O].
 */
export type Layout = 'plain' | 'blocked' | 'kernel';

/** A value and the layout that it is in. */
export interface Placed {
  readonly value: Value;
  readonly layout: Layout;
}

/**
 * Whether a tensor of this shape is kept in the kernel layout while it is part of a state. Both the
 * lowering and whoever brings values to a state and back go by it. 0 or 1 as the block: never.
 */
export function keptAsKernel(shape: Shape, block: number): boolean {
  return (
    block > 1 && shape.length === 4 && at(shape, 0) % block === 0 && at(shape, 1) % block === 0
  );
}

/** A blocked convolution that was written: what an addition or a ReLU after it may be merged into. */
interface BlockConv {
  readonly inputs: readonly Value[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Writes one node of an op in the blocked layout, or returns undefined where it does not lend itself. */
export type BlockRule<N extends string, A extends object> = (
  layouts: Layouts,
  node: Tensor,
  read: OpNode<N, A>,
) => Placed | undefined;

/** Where every tensor's value is, in either layout, while a graph is being lowered. */
export class Layouts {
  private readonly values: Readonly<Record<Layout, Map<Tensor, Value>>> = {
    plain: new Map(),
    blocked: new Map(),
    kernel: new Map(),
  };
  private readonly convolutions = new Map<Value, BlockConv>();
  private readonly consumers = new Map<Tensor, number>();

  /**
   * @param block floats per block
   * @param useRules false: every node is lowered plainly
   * @param outputs of the graph: with them the consumers of every tensor are counted
   */
  constructor(
    readonly emit: GraphEmitter,
    readonly block: number,
    private readonly useRules: boolean,
    outputs: readonly Tensor[],
  ) {
    const count = (tensor: Tensor) =>
      this.consumers.set(tensor, (this.consumers.get(tensor) ?? 0) + 1);
    for (const node of topologicalOrder(outputs)) node.inputs.forEach(count);
    outputs.forEach(count);
  }

  /** Tells where a tensor's value is. */
  place(tensor: Tensor, { value, layout }: Placed): void {
    this.values[layout].set(tensor, value);
  }

  has(tensor: Tensor): boolean {
    return Object.values(this.values).some((values) => values.has(tensor));
  }

  /** Whether a tensor could be kept in blocks: a map whose channels fill them. */
  fits(tensor: Tensor): boolean {
    return this.block > 1 && tensor.rank === 4 && tensor.dim(1) % this.block === 0;
  }

  /** Whether {@link blocked} can be had: the ops that convert between the layouts know floats only. */
  convertible(tensor: Tensor): boolean {
    return this.inBlocks(tensor) || (this.fits(tensor) && tensor.dtype === 'float32');
  }

  /** Whether a tensor's value is in blocks already. */
  inBlocks(tensor: Tensor): boolean {
    return this.values.blocked.has(tensor);
  }

  /** Whether a tensor's value is in the kernel layout already. */
  isKernel(tensor: Tensor): boolean {
    return this.values.kernel.has(tensor);
  }

  /** A tensor's value in the plain layout. */
  plain(tensor: Tensor): Value {
    return this.inLayout(tensor, 'plain', () => {
      const blocked = this.values.blocked.get(tensor);
      if (blocked !== undefined) {
        const reorder = (value: Value) =>
          this.node('ReorderOutput', [value], { channels: tensor.dim(1), channels_last: 0 });
        // It knows floats only.
        if (tensor.dtype === 'float32') return reorder(blocked);
        return this.cast(reorder(this.cast(blocked, 'float32')), tensor.dtype);
      }
      const kernel = this.values.kernel.get(tensor);
      if (kernel === undefined) throw new FoveaError(`${tensor.toString()} was not lowered.`);
      const { K, Ob, Cb, taps } = this.kernelSizes(tensor);
      const ordered = this.transpose(this.view(kernel, [Ob, Cb, taps, K, K]), [0, 4, 1, 3, 2]);
      return this.view(ordered, tensor.shape);
    });
  }

  /** A tensor's value in blocks. */
  blocked(tensor: Tensor): Value {
    return this.inLayout(tensor, 'blocked', () =>
      this.node('ReorderInput', [this.plain(tensor)], { channels_last: 0 }),
    );
  }

  /** A weight [O, C, kh, kw] in the kernel layout. */
  kernel(tensor: Tensor): Value {
    return this.inLayout(tensor, 'kernel', () => {
      const { K, Ob, Cb, taps } = this.kernelSizes(tensor);
      const split = this.view(this.plain(tensor), [Ob, K, Cb, K, taps]);
      return this.view(this.transpose(split, [0, 2, 4, 3, 1]), tensor.shape);
    });
  }

  /** A tensor's value in the layout that a state keeps it in. */
  asKept(tensor: Tensor): Value {
    return keptAsKernel(tensor.shape, this.block) ? this.kernel(tensor) : this.plain(tensor);
  }

  private inLayout(tensor: Tensor, layout: Layout, convert: () => Value): Value {
    const known = this.values[layout].get(tensor);
    if (known !== undefined) return known;
    const value = convert();
    this.values[layout].set(tensor, value);
    return value;
  }

  private kernelSizes(weight: Tensor) {
    const K = this.block;
    const taps = weight.dim(2) * weight.dim(3);
    return { K, Ob: weight.dim(0) / K, Cb: weight.dim(1) / K, taps };
  }

  /** The memory of a map in blocks, with the places of a tensor [B, C, H, W]: [B C/K, H, W, K]. */
  memory(places: Tensor, channels = places.dim(1)): [number, number, number, number] {
    const maps = (places.dim(0) * channels) / this.block;
    return [maps, places.dim(2), places.dim(3), this.block];
  }

  /** Whether nothing but one node uses a tensor, so that it need not exist by itself. */
  usedOnce(tensor: Tensor): boolean {
    return this.consumers.get(tensor) === 1;
  }

  /** A node of the blocked domain. */
  node(
    opType: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, AttributeValue>>,
  ): Value {
    return this.emit.node(opType, inputs, attributes, DOMAIN);
  }

  /** A blocked convolution: inputs x, weight and possibly bias ('' for none) and a map to add. */
  conv(inputs: readonly Value[], attributes: Readonly<Record<string, AttributeValue>>): Value {
    const defaults = { strides: [1, 1], dilations: [1, 1], group: 1, pads: [0, 0, 0, 0] };
    const complete = { ...defaults, ...attributes };
    const value = this.node('Conv', inputs, complete);
    this.convolutions.set(value, { inputs, attributes: complete });
    return value;
  }

  /** The convolution that made a tensor's value, if that value is wanted by one node only and is in blocks. */
  convolutionOf(tensor: Tensor): BlockConv | undefined {
    const value = this.values.blocked.get(tensor);
    return value !== undefined && this.usedOnce(tensor) ? this.convolutions.get(value) : undefined;
  }

  /** The same elements under another shape; free at run time. */
  view(value: Value, shape: readonly number[]): Value {
    return this.emit.node('Reshape', [value, this.int64(shape)]);
  }

  cast(value: Value, dtype: DType): Value {
    return this.emit.node('Cast', [value], { to: onnxType[dtype] });
  }

  transpose(value: Value, perm: readonly number[]): Value {
    return this.emit.node('Transpose', [value], { perm });
  }

  int64(values: readonly number[]): Value {
    return this.emit.constant(values, [values.length], 'int64');
  }

  /** Lowers a node: in blocks by the rule if there is one and it fits, else plainly. */
  lower(node: Tensor, rule?: (layouts: Layouts, node: Tensor) => Placed | undefined): void {
    this.emit.scope = node.scope;
    const placed = this.useRules ? rule?.(this, node) : undefined;
    this.place(
      node,
      placed ?? {
        value: node.op.lower({
          emit: this.emit,
          inputs: node.inputs.map((input) => this.plain(input)),
          attributes: node.attributes,
          node,
        }),
        layout: 'plain',
      },
    );
  }
}

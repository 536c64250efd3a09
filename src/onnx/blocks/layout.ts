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
import type { AttributeValue, Attributes, Value } from '../../tensor/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import { topologicalOrder } from '../../tensor/walk.js';
import type { GraphEmitter } from '../emitter.js';

/** The domain of ONNX Runtime's blocked ops. */
export const DOMAIN = 'com.microsoft.nchwc';

/** A value and the layout that it is in. */
export interface Placed {
  readonly value: Value;
  readonly blocked: boolean;
}

/** A blocked convolution that was written: what an addition or a ReLU after it may be merged into. */
interface BlockConv {
  readonly inputs: readonly Value[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Writes one node in the blocked layout, or returns undefined where it does not lend itself. */
export type BlockRule = (layouts: Layouts, node: Tensor) => Placed | undefined;

/** Where every tensor's value is, in either layout, while a graph is being lowered. */
export class Layouts {
  private readonly plainValues = new Map<Tensor, Value>();
  private readonly blockedValues = new Map<Tensor, Value>();
  private readonly convolutions = new Map<Value, BlockConv>();
  private readonly consumers = new Map<Tensor, number>();

  /**
   * @param block floats per block; below 2 nothing is ever blocked
   * @param outputs of the graph: with them the consumers of every tensor are counted
   */
  constructor(
    readonly emit: GraphEmitter,
    readonly block: number,
    outputs: readonly Tensor[],
  ) {
    const count = (tensor: Tensor) =>
      this.consumers.set(tensor, (this.consumers.get(tensor) ?? 0) + 1);
    for (const node of topologicalOrder(outputs)) node.inputs.forEach(count);
    outputs.forEach(count);
  }

  /** Tells where a tensor's value is. */
  place(tensor: Tensor, { value, blocked }: Placed): void {
    (blocked ? this.blockedValues : this.plainValues).set(tensor, value);
  }

  has(tensor: Tensor): boolean {
    return this.plainValues.has(tensor) || this.blockedValues.has(tensor);
  }

  /** Whether a tensor could be kept in blocks: a float map whose channels fill them. */
  fits(tensor: Tensor): boolean {
    return this.block > 1 && tensor.rank === 4 && tensor.dim(1) % this.block === 0;
  }

  /** Whether a tensor's value is in blocks already. */
  inBlocks(tensor: Tensor): boolean {
    return this.blockedValues.has(tensor);
  }

  /** A tensor's value in the plain layout. */
  plain(tensor: Tensor): Value {
    const known = this.plainValues.get(tensor);
    if (known !== undefined) return known;
    const blocked = this.blockedValues.get(tensor);
    if (blocked === undefined) throw new Error(`${tensor.toString()} has no value yet.`);
    const value = this.emit.node(
      'ReorderOutput',
      [blocked],
      { channels: tensor.dim(1), channels_last: 0 },
      DOMAIN,
    );
    this.plainValues.set(tensor, value);
    return value;
  }

  /** A tensor's value in blocks. */
  blocked(tensor: Tensor): Value {
    const known = this.blockedValues.get(tensor);
    if (known !== undefined) return known;
    const value = this.emit.node(
      'ReorderInput',
      [this.plain(tensor)],
      { channels_last: 0 },
      DOMAIN,
    );
    this.blockedValues.set(tensor, value);
    return value;
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
    const value = this.blockedValues.get(tensor);
    return value !== undefined && this.usedOnce(tensor) ? this.convolutions.get(value) : undefined;
  }

  /** The same elements under another shape; free at run time. */
  view(value: Value, shape: readonly number[]): Value {
    return this.emit.node('Reshape', [value, this.int64(shape)]);
  }

  transpose(value: Value, perm: readonly number[]): Value {
    return this.emit.node('Transpose', [value], { perm });
  }

  int64(values: readonly number[]): Value {
    return this.emit.constant(values, [values.length], 'int64');
  }

  /** Lowers a node: in blocks by the rule if there is one and it fits, else plainly. */
  lower(node: Tensor, rule: BlockRule | undefined): void {
    this.emit.scope = node.scope;
    const placed = this.block > 1 ? rule?.(this, node) : undefined;
    this.place(
      node,
      placed ?? {
        value: node.op.lower({
          emit: this.emit,
          inputs: node.inputs.map((input) => this.plain(input)),
          attributes: node.attributes satisfies Attributes,
          node,
        }),
        blocked: false,
      },
    );
  }
}

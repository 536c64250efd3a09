/**
 * The one place that writes ONNX's Conv: ONNX Runtime's WebGPU provider (1.30) cannot compute all of
 * them, and some it computes wrongly without an error. docs/engine.md lists what is done about it.
 */
import type { Emitter, Value } from '../tensor/op.js';
import { at, type Shape } from '../tensor/shape.js';

/** A Conv to be written, with the shapes of its inputs. */
export interface ConvNode {
  readonly x: Value;
  /** [B, C, ..S] */
  readonly xShape: Shape;
  readonly weight: Value;
  /** [O, C/groups, ..K] */
  readonly weightShape: Shape;
  /** [O] */
  readonly bias?: Value | undefined;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begins, then ends. */
  readonly pads: readonly number[];
  readonly groups: number;
}

/** Writes a convolution. -> [B, O, ..S'] */
export function emitConv(emit: Emitter, node: ConvNode): Value {
  if (emit.provider === 'webgpu') {
    if (node.groups > 1 && node.xShape.length === 5) return groupByGroup(emit, node);
    if (isMiscomputed(node)) return withMoreChannels(emit, node);
  }
  const { x, weight, weightShape, bias, strides, dilations, pads, groups } = node;
  return emit.node('Conv', [x, weight, ...(bias === undefined ? [] : [bias])], {
    kernel_shape: weightShape.slice(2),
    strides,
    dilations,
    pads,
    group: groups,
  });
}

/**
 * WebGPU reads three channels at once where their number is a multiple of three and not of four, and
 * that of the outputs is a multiple of four; beyond three channels it gives wrong values, without an
 * error (probably https://github.com/microsoft/onnxruntime/issues/29651).
 */
function isMiscomputed({ xShape, weightShape, groups }: ConvNode): boolean {
  const [channels, outputs] = [at(xShape, 1), at(weightShape, 0)];
  const threes = channels > 3 && channels % 3 === 0 && channels % 4 !== 0;
  return groups === 1 && xShape.length < 5 && threes && outputs % 4 === 0;
}

/** Zeros are added to the channels up to a multiple of four. */
function withMoreChannels(emit: Emitter, node: ConvNode): Value {
  const channels = at(node.xShape, 1);
  const missing = 4 * Math.ceil(channels / 4) - channels;
  const more = (value: Value, shape: Shape) => {
    const pads = new Array<number>(2 * shape.length).fill(0);
    pads[shape.length + 1] = missing;
    const end = emit.constant(pads, [pads.length], 'int64');
    return emit.node('Pad', [value, end, emit.constant([0], [], 'float32')]);
  };
  return emitConv(emit, {
    ...node,
    x: more(node.x, node.xShape),
    xShape: node.xShape.with(1, channels + missing),
    weight: more(node.weight, node.weightShape),
    weightShape: node.weightShape.with(1, channels + missing),
  });
}

/** WebGPU has no groups in three dimensions: there each one is a convolution of its own. */
function groupByGroup(emit: Emitter, node: ConvNode): Value {
  const { groups, xShape, weightShape } = node;
  const [channels, outputs] = [at(xShape, 1) / groups, at(weightShape, 0) / groups];
  const int64 = (value: number) => emit.constant([value], [1], 'int64');
  const part = (value: Value, axis: number, size: number, group: number) =>
    emit.node('Slice', [value, int64(group * size), int64((group + 1) * size), int64(axis)]);
  const maps = Array.from({ length: groups }, (_, group) =>
    emitConv(emit, {
      ...node,
      groups: 1,
      x: part(node.x, 1, channels, group),
      xShape: xShape.with(1, channels),
      weight: part(node.weight, 0, outputs, group),
      weightShape: weightShape.with(0, outputs),
      bias: node.bias === undefined ? undefined : part(node.bias, 0, outputs, group),
    }),
  );
  return emit.node('Concat', maps, { axis: 1 });
}

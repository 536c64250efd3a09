import type { Provider, TensorData } from '../tensor/op.js';
import type { Tensor } from '../tensor/tensor.js';
import { writeModel } from './model.js';
import { lowerToParts } from './parts.js';

/** A graph with named ends, ready to be lowered. */
export interface Graph {
  /** Inputs by the name under which they are fed. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Outputs by the name under which they are fetched. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Inputs whose values become part of the graph, so that ONNX Runtime can fold and reorder them. */
  readonly constants?: ReadonlyMap<Tensor, TensorData>;
}

export interface LowerOptions {
  readonly provider: Provider;
  /** Key-value pairs stored in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly name?: string;
  /**
   * Floats per block of the CPU provider's blocked layout (see blocks/layout.ts), which depends on
   * the machine. Default 0: there is none.
   */
  readonly block?: number;
  /** Whether feature maps are kept in blocks; by default where there are any. */
  readonly blockedMaps?: boolean;
  /** Inputs and outputs, by name, that are part of a state, which keeps weights in the kernel layout. */
  readonly state?: ReadonlySet<string>;
  /**
   * Whether maxima are NaN where an element is, as in PyTorch, which takes a few operators more. Default:
   * on every provider but WebGPU, where NaN is lost anyway.
   */
  readonly keepNaN?: boolean;
  /** What the graph's constants are called in the file. Default: weight and a number. */
  readonly constantNames?: ReadonlyMap<Tensor, string>;
}

/**
 * Writes a graph as the bytes of an ONNX model, lowered for one execution provider.
 *
 * @example
 * const x = input('x', [2, 3]);
 * const bytes = lowerToOnnx({ inputs: { x }, outputs: { y: x.relu() } }, { provider: 'cpu' });
 *
 * @throws FoveaError if an output depends on an input that is not listed, an input and an output
 * share a name, or a constant has not as many values as its tensor
 */
export function lowerToOnnx(graph: Graph, options: LowerOptions): Uint8Array {
  return writeModel(lowerToParts(graph, options));
}

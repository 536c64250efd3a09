/** Matrix products of any batch rank. */
import { forEachIndex, ndarray } from '../tensor/ndarray.js';
import { broadcastShapes, elementCount, stridesOf, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';
import { unbroadcast } from './elementwise.js';

const matmulOp = defineOp<object>('matmul', {
  shape: ([a, b]) => {
    if (a === undefined || b === undefined || a.rank < 2 || b.rank < 2) {
      return 'Both operands need at least two axes, [.., M, K] and [.., K, N].';
    }
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (batch === undefined) return 'The batch axes do not broadcast.';
    if (a.dim(-1) !== b.dim(-2)) return `The inner sizes ${a.dim(-1)} and ${b.dim(-2)} differ.`;
    return [...batch, a.dim(-2), b.dim(-1)];
  },
  gradient: ({ inputs: [a, b], upstream: g }) => {
    if (a === undefined || b === undefined) return [];
    const ga = unbroadcast(matmul(g, b.swapAxes()), a.shape);
    // One large product instead of a batch of them and a sum, where b is shared by the batch.
    const gb =
      b.rank === 2
        ? matmul(a.reshape([-1, a.dim(-1)]).swapAxes(), g.reshape([-1, g.dim(-1)]))
        : unbroadcast(matmul(a.swapAxes(), g), b.shape);
    return [ga, gb];
  },
  lower: ({ emit, inputs }) => emit.node('MatMul', inputs),
  reference: ({ inputs: [a, b], node }) => {
    const out = ndarray(node.shape);
    if (a === undefined || b === undefined) return out;
    const [m, n] = [node.dim(-2), node.dim(-1)];
    const k = a.shape.at(-1) ?? 0;
    const batch = node.shape.slice(0, -2);
    const offset = (shape: Shape, index: readonly number[]) => {
      const own = shape.slice(0, -2);
      const strides = stridesOf(own);
      const lead = batch.length - own.length;
      const matrix = elementCount(shape.slice(-2));
      return own.reduce(
        (total, size, axis) =>
          total + (size === 1 ? 0 : (index[axis + lead] ?? 0) * (strides[axis] ?? 0) * matrix),
        0,
      );
    };
    forEachIndex(batch, (index, flat) => {
      const [startA, startB] = [offset(a.shape, index), offset(b.shape, index)];
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let total = 0;
          for (let p = 0; p < k; p++) {
            total += (a.data[startA + i * k + p] ?? NaN) * (b.data[startB + p * n + j] ?? NaN);
          }
          out.data[flat * m * n + i * n + j] = total;
        }
      }
    });
    return out;
  },
});

/** Matrix product: [.., M, K] x [.., K, N] -> [.., M, N]; batch axes broadcast. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  return matmulOp([a, b], {});
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Matrix product: [.., M, K] x [.., K, N] -> [.., M, N]. */
    matmul(other: Tensor): Tensor;
  }
}

installMethods({
  matmul(other: Tensor) {
    return matmul(this, other);
  },
});

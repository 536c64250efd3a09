/** Matrix products of any batch rank. */
import { forEachIndex, ndarray } from '../tensor/ndarray.js';
import { at, broadcastShapes, broadcastStrides, offsetOf, type Shape } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { defineOp } from './define.js';
import { unbroadcast } from './elementwise.js';

/** The op of {@link matmul}. */
export const matmulOp = defineOp('matmul', {
  inputs: ['a', 'b'],
  shape: ({ a, b }) => {
    if (a.rank < 2 || b.rank < 2) {
      return 'Both operands need at least two axes, [.., M, K] and [.., K, N].';
    }
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (batch === undefined) return 'The batch axes do not broadcast.';
    if (a.dim(-1) !== b.dim(-2)) return `The inner sizes ${a.dim(-1)} and ${b.dim(-2)} differ.`;
    return [...batch, a.dim(-2), b.dim(-1)];
  },
  gradient: ({ a, b }, { upstream: g }) => ({
    a: unbroadcast(matmul(g, b.swapAxes()), a.shape),
    // One large product instead of a batch of them and a sum, where b is shared by the batch.
    b:
      b.rank === 2
        ? matmul(a.reshape([-1, a.dim(-1)]).swapAxes(), g.reshape([-1, g.dim(-1)]))
        : unbroadcast(matmul(a.swapAxes(), g), b.shape),
  }),
  lower: ({ a, b }, { emit }) => emit.node('MatMul', [a, b]),
  reference: ({ a, b }, { node }) => {
    const out = ndarray(node.shape);
    const batch = node.shape.slice(0, -2);
    const [m, n, k] = [node.dim(-2), node.dim(-1), at(b.shape, b.shape.length - 2)];
    const starts = (shape: Shape) => broadcastStrides(shape.slice(0, -2), batch);
    const [stridesA, stridesB] = [starts(a.shape), starts(b.shape)];
    forEachIndex(batch, (index, flat) => {
      const startA = offsetOf(index, stridesA) * m * k;
      const startB = offsetOf(index, stridesB) * k * n;
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let total = 0;
          for (let p = 0; p < k; p++) {
            total += at(a.data, startA + i * k + p) * at(b.data, startB + p * n + j);
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
  return matmulOp({ a, b });
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

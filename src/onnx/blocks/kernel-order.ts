/** The kernel layout on the host: what a state's weights go through on the way to the engine and back. */
import type { Shape } from '../../tensor/shape.js';

/** [O, C, ..k] -> [O/K, C/K, ..k, K of C, K of O]. */
export function toKernelOrder(plain: Float32Array, shape: Shape, block: number): Float32Array {
  const kernel = new Float32Array(plain.length);
  forEachElement(shape, block, (from, to) => {
    kernel[to] = plain[from] ?? NaN;
  });
  return kernel;
}

/** The inverse of {@link toKernelOrder}. */
export function fromKernelOrder(kernel: Float32Array, shape: Shape, block: number): Float32Array {
  const plain = new Float32Array(kernel.length);
  forEachElement(shape, block, (to, from) => {
    plain[to] = kernel[from] ?? NaN;
  });
  return plain;
}

function forEachElement(
  [O = 1, C = 1, height = 1, width = 1]: Shape,
  block: number,
  visit: (plain: number, kernel: number) => void,
): void {
  const taps = height * width;
  for (let o = 0; o < O; o++) {
    const outer = Math.floor(o / block) * (C / block);
    for (let c = 0; c < C; c++) {
      const inner = (outer + Math.floor(c / block)) * taps;
      const lane = (c % block) * block + (o % block);
      const plain = (o * C + c) * taps;
      for (let tap = 0; tap < taps; tap++) visit(plain + tap, (inner + tap) * block * block + lane);
    }
  }
}

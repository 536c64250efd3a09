/** Pooling to a given size: global (size 1) and adaptive, whose windows differ in width. */
import { at, elementCount } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { addWeight, axisMap, mapAxis } from './axis-map.js';
import { shapeError } from './define.js';
import { checkPerAxis, perAxis, type PerAxis } from './geometry.js';

/** Checks for [B, C, ..S] and returns the numbers of the spatial axes. */
function spatialAxes(op: string, x: Tensor): number[] {
  if (x.rank < 3) throw shapeError(op, [x], 'Expected an input [B, C, ..S].');
  return x.shape.slice(2).map((_, i) => i + 2);
}

/** Mean of each channel: [B, C, ..S] -> [B, C, 1, ..]. */
export function globalAvgPool(x: Tensor): Tensor {
  return x.mean(spatialAxes('globalAvgPool', x), { keepDims: true });
}

/**
 * Largest element of each channel: [B, C, ..S] -> [B, C, 1, ..]. Where several are equal, the first
 * in row-major order gets the gradient, as torch.nn.AdaptiveMaxPool2d(1) (torch.amax would share it).
 */
export function globalMaxPool(x: Tensor): Tensor {
  const axes = spatialAxes('globalMaxPool', x);
  const flat = x.reshape([x.dim(0), x.dim(1), elementCount(x.shape.slice(2))]);
  return flat.maxFirst(2).reshape([x.dim(0), x.dim(1), ...axes.map(() => 1)]);
}

/** The elements that each output of an adaptive pool covers: PyTorch's floor(o n / m) .. ceil((o + 1) n / m). */
function bins(n: number, m: number): { start: number; end: number }[] {
  return Array.from({ length: m }, (_, o) => ({
    start: Math.floor((o * n) / m),
    end: Math.ceil(((o + 1) * n) / m),
  }));
}

/** The wanted size of each spatial axis, checked; and the kernel, where all windows are equally wide. */
function plan(op: string, x: Tensor, size: PerAxis) {
  const spatial = spatialAxes(op, x).map((axis) => x.dim(axis));
  const sizes = perAxis(size, spatial.length);
  const problem = checkPerAxis('size', sizes, spatial.length, 1);
  if (problem !== undefined) throw shapeError(op, [x], problem);
  const kernel = spatial.map((n, axis) => n / at(sizes, axis));
  return {
    sizes,
    /** Sizes that change. */
    moving: sizes.flatMap((m, i) => (m === spatial[i] ? [] : [{ axis: i + 2, m }])),
    kernel: kernel.every(Number.isInteger) && kernel.length <= 3 ? kernel : undefined,
  };
}

/**
 * Means over a grid of windows that cover the input: [B, C, ..S] -> [B, C, ..size], as
 * torch.nn.AdaptiveAvgPool1d, 2d and 3d. Any size goes, also one larger than the input.
 */
export function adaptiveAvgPool(x: Tensor, size: PerAxis): Tensor {
  const { sizes, moving, kernel } = plan('adaptiveAvgPool', x, size);
  if (moving.length === 0) return x;
  if (sizes.every((m) => m === 1)) return globalAvgPool(x);
  if (kernel) return x.avgPool(kernel);
  return moving.reduce((y, { axis, m }) => {
    const map = axisMap(m, y.dim(axis), 'average');
    for (const [o, { start, end }] of bins(y.dim(axis), m).entries()) {
      for (let i = start; i < end; i++) addWeight(map, o, i, 1 / (end - start));
    }
    return mapAxis(y, axis, map);
  }, x);
}

/**
 * Largest elements over a grid of windows that cover the input: [B, C, ..S] -> [B, C, ..size], as
 * torch.nn.AdaptiveMaxPool1d, 2d and 3d. The first of equal elements gets the gradient.
 */
export function adaptiveMaxPool(x: Tensor, size: PerAxis): Tensor {
  const { sizes, moving, kernel } = plan('adaptiveMaxPool', x, size);
  if (moving.length === 0) return x;
  if (sizes.every((m) => m === 1)) return globalMaxPool(x);
  if (kernel) return x.maxPool(kernel);
  // The last axis first: the first maximum of the first row that holds one is the first in row-major order.
  return moving.reduceRight((y, { axis, m }) => {
    const windows = bins(y.dim(axis), m);
    const width = Math.max(...windows.map(({ start, end }) => end - start));
    // Narrow windows repeat their last element, which never wins before it does.
    const indices = windows.flatMap(({ start, end }) =>
      Array.from({ length: width }, (_, i) => Math.min(start + i, end - 1)),
    );
    const [head, tail] = [y.shape.slice(0, axis), y.shape.slice(axis + 1)];
    return y
      .gather(axis, indices)
      .reshape([...head, m, width, ...tail])
      .maxFirst(axis + 1);
  }, x);
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Mean of each channel, with spatial axes of size 1. */
    globalAvgPool(): Tensor;
    /** Largest element of each channel, with spatial axes of size 1. */
    globalMaxPool(): Tensor;
    /** Means over a grid of windows of the given size. */
    adaptiveAvgPool(size: PerAxis): Tensor;
    /** Largest elements over a grid of windows of the given size. */
    adaptiveMaxPool(size: PerAxis): Tensor;
  }
}

installMethods({
  globalAvgPool() {
    return globalAvgPool(this);
  },
  globalMaxPool() {
    return globalMaxPool(this);
  },
  adaptiveAvgPool(size: PerAxis) {
    return adaptiveAvgPool(this, size);
  },
  adaptiveMaxPool(size: PerAxis) {
    return adaptiveMaxPool(this, size);
  },
});

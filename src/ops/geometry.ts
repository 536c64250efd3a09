/** How a window slides over the spatial axes: what convolution and pooling share. */
import { at, type Shape } from '../tensor/shape.js';

/** Steps, padding and spacing of a sliding window; every list has one entry per spatial axis. */
export interface WindowGeometry {
  readonly strides: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  readonly dilations: readonly number[];
}

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

/** Elements added at both ends of each axis; `[begin, end]` pairs make it asymmetric. */
export type Padding = PerAxis | readonly (readonly [number, number])[];

/** Spreads a number over the spatial axes. */
export function perAxis(value: PerAxis, axes: number): readonly number[] {
  return typeof value === 'number' ? new Array<number>(axes).fill(value) : value;
}

/** Brings the forms in which a caller may give a geometry into one. */
export function windowGeometry(
  options: { readonly stride: PerAxis; readonly padding: Padding; readonly dilation: PerAxis },
  axes: number,
): WindowGeometry {
  const { stride, padding, dilation } = options;
  const pads = typeof padding === 'number' ? new Array<number>(axes).fill(padding) : padding;
  return {
    strides: perAxis(stride, axes),
    padsBegin: pads.map((p) => (typeof p === 'number' ? p : p[0])),
    padsEnd: pads.map((p) => (typeof p === 'number' ? p : p[1])),
    dilations: perAxis(dilation, axes),
  };
}

/** What is wrong with a list of one integer per spatial axis, or undefined. */
export function checkPerAxis(
  name: string,
  list: readonly number[],
  axes: number,
  least: number,
): string | undefined {
  return list.length === axes && list.every((v) => Number.isInteger(v) && v >= least)
    ? undefined
    : `${name} [${list.join(', ')}] must be ${axes} integers of at least ${least}.`;
}

/** What is wrong with a geometry, or undefined. */
export function checkWindow(g: WindowGeometry, axes: number): string | undefined {
  return (
    checkPerAxis('strides', g.strides, axes, 1) ??
    checkPerAxis('padsBegin', g.padsBegin, axes, 0) ??
    checkPerAxis('padsEnd', g.padsEnd, axes, 0) ??
    checkPerAxis('dilations', g.dilations, axes, 1)
  );
}

/** Distance from the first to the last tap of a kernel, both counted. */
export function span(kernel: number, g: WindowGeometry, axis: number): number {
  return at(g.dilations, axis) * (kernel - 1) + 1;
}

/** Number of positions of a window on each spatial axis: floor((S + pads - span) / stride) + 1. */
export function windowCounts(spatial: Shape, kernel: Shape, g: WindowGeometry): number[] {
  return spatial.map((size, axis) => {
    const free =
      size + at(g.padsBegin, axis) + at(g.padsEnd, axis) - span(at(kernel, axis), g, axis);
    return Math.floor(free / at(g.strides, axis)) + 1;
  });
}

/** Shapes and geometries for property tests. Small, since references and differences are slow. */
import fc from 'fast-check';
import type { Shape } from '../tensor/shape.js';

/** How often a property that checks gradients is tried, and from where: tests are repeatable. */
export const RUNS = { seed: 20260101, numRuns: 25 };

/** One spatial axis and the window that slides over it. */
export interface AxisCase {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pads: readonly [number, number];
}

/** Axes on which the window fits at least once; padding is less than the kernel. */
export function axisCase(longest: number): fc.Arbitrary<AxisCase> {
  return fc
    .record({
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      extra: fc.integer({ min: 0, max: longest }),
      begin: fc.nat(2),
      end: fc.nat(2),
    })
    .map(({ kernel, stride, dilation, extra, begin, end }) => ({
      kernel,
      stride,
      dilation,
      size: Math.min(dilation * (kernel - 1) + 1 + extra, longest),
      pads: [begin % kernel, end % kernel] as const,
    }))
    .filter(({ size, kernel, dilation }) => size >= dilation * (kernel - 1) + 1);
}

/** One to three axes; the more there are, the shorter. */
export const axesCases: fc.Arbitrary<AxisCase[]> = fc
  .integer({ min: 1, max: 3 })
  .chain((axes) =>
    fc.array(axisCase([8, 6, 4][axes - 1] ?? 4), { minLength: axes, maxLength: axes }),
  );

/** The options of conv and of pooling that a list of axes stands for. */
export function geometryOf(axes: readonly AxisCase[]) {
  return {
    kernel: axes.map(({ kernel }) => kernel),
    stride: axes.map(({ stride }) => stride),
    dilation: axes.map(({ dilation }) => dilation),
    padding: axes.map(({ pads }) => pads),
  };
}

/** A shape of `least` to `most` axes of sizes 1 to 4. */
export function shapes(least: number, most: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 1, max: 4 }), { minLength: least, maxLength: most });
}

/** Two shapes that broadcast: axes missing in front, or of size 1, on either side. */
export const broadcastPair: fc.Arbitrary<readonly [Shape, Shape]> = shapes(0, 3).chain((full) => {
  const stretched = fc
    .record({ ones: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), drop: fc.nat(3) })
    .map(({ ones, drop }) =>
      full.map((size, axis) => (ones[axis] === true ? 1 : size)).slice(Math.min(drop, full.length)),
    );
  return fc
    .tuple(fc.constant(full), stretched, fc.boolean())
    .map(([a, b, swap]): readonly [Shape, Shape] => (swap ? [b, a] : [a, b]));
});

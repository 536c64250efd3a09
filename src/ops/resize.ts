/**
 * Interpolation of the spatial axes with PyTorch's index rules (torch.nn.functional.interpolate).
 * Every mode is separable, so it is one fixed linear map per axis, computed here in float64:
 * all execution providers agree, and the gradient is the transposed map.
 */
import { at } from '../tensor/shape.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { adaptiveAvgPool } from './adaptive-pool.js';
import { addWeight, axisMap, mapAxis, type AxisMap } from './axis-map.js';
import { shapeError } from './define.js';
import { checkPerAxis, perAxis, type PerAxis } from './geometry.js';

export type InterpolationMode =
  'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'trilinear' | 'bicubic' | 'area';

export interface InterpolateOptions {
  /** Sizes of the spatial axes of the result. Give this or `scale`. */
  readonly size?: PerAxis;
  /** Factors by which the spatial axes grow: the sizes become floor(size * scale). */
  readonly scale?: PerAxis;
  /**
   * Default 'nearest', which takes the element at or before a position; 'nearest-exact' that whose
   * centre is nearest. The linear modes are named by their number of axes; bicubic takes two; 'area'
   * is adaptive average pooling.
   */
  readonly mode?: InterpolationMode;
  /** Whether the centres of the corner elements stay in place, instead of the outer edges. Default false. */
  readonly alignCorners?: boolean;
}

const AXES_OF_MODE: Readonly<Record<InterpolationMode, number | undefined>> = {
  nearest: undefined,
  'nearest-exact': undefined,
  linear: 1,
  bilinear: 2,
  trilinear: 3,
  bicubic: 2,
  area: undefined,
};

/** PyTorch's constant of the cubic convolution kernel. */
const CUBIC = -0.75;

/** One axis: its length before and after, and the step in the input that a step in the output makes. */
interface AxisScale {
  readonly inputs: number;
  readonly outputs: number;
  readonly step: number;
  readonly alignCorners: boolean;
}

/** PyTorch takes this in float32, whatever the tensor's type: 46 from 14 differs from exact arithmetic. */
function nearestIndices({ inputs, outputs, step }: AxisScale, exact: boolean): number[] {
  const rounded = Math.fround(step);
  const offset = exact ? 0.5 : 0;
  return Array.from({ length: outputs }, (_, o) =>
    Math.min(Math.floor(Math.fround((o + offset) * rounded)), inputs - 1),
  );
}

/** Where in the input the centre of an output element lies. */
function sourcePosition({ step, alignCorners }: AxisScale, output: number): number {
  return alignCorners ? output * step : (output + 0.5) * step - 0.5;
}

function linearMap(scale: AxisScale): AxisMap {
  const { inputs, outputs } = scale;
  const map = axisMap(outputs, inputs, 'resize');
  for (let o = 0; o < outputs; o++) {
    const position = Math.max(sourcePosition(scale, o), 0);
    const first = Math.min(Math.floor(position), inputs - 1);
    const fraction = Math.min(position - first, 1);
    addWeight(map, o, first, 1 - fraction);
    addWeight(map, o, Math.min(first + 1, inputs - 1), fraction);
  }
  return map;
}

/** Weight of an element at a distance below 2 in cubic convolution (Keys 1981). */
function cubicWeight(distance: number): number {
  const d = Math.abs(distance);
  return d <= 1
    ? ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1
    : ((CUBIC * d - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC;
}

function cubicMap(scale: AxisScale): AxisMap {
  const { inputs, outputs } = scale;
  const map = axisMap(outputs, inputs, 'resize');
  for (let o = 0; o < outputs; o++) {
    const position = sourcePosition(scale, o);
    const base = Math.floor(position);
    for (let tap = base - 1; tap <= base + 2; tap++) {
      const clamped = Math.min(Math.max(tap, 0), inputs - 1);
      addWeight(map, o, clamped, cubicWeight(position - tap));
    }
  }
  return map;
}

/**
 * Resizes the spatial axes: [B, C, ..S] -> [B, C, ..size].
 *
 * As in PyTorch, a given `scale` (and not the ratio of the sizes) sets the step through the input;
 * negative source positions count as 0 in the linear modes; cubic taps stop at the borders; nothing
 * is smoothed when an image shrinks (PyTorch's antialias=False).
 *
 * @throws ShapeError unless exactly one of `size` and `scale` is given and the mode fits the rank
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  const { size, scale, mode = 'nearest', alignCorners = false } = options;
  const axes = x.rank - 2;
  const refuse = (expectation: string) => shapeError(`interpolate (${mode})`, [x], expectation);
  if (axes < 1) throw refuse('Expected an input [B, C, ..S].');
  if ((AXES_OF_MODE[mode] ?? axes) !== axes) {
    throw refuse(`The mode ${mode} takes ${AXES_OF_MODE[mode]} spatial axes, not ${axes}.`);
  }
  const nearest = mode === 'nearest' || mode === 'nearest-exact';
  if ((nearest || mode === 'area') && alignCorners)
    throw refuse('Nearest neighbours and areas have no alignCorners.');
  if ((size === undefined) === (scale === undefined)) throw refuse('Give either size or scale.');

  const factors = scale === undefined ? undefined : perAxis(scale, axes);
  if (factors && !(factors.length === axes && factors.every((f) => f > 0 && f < Infinity))) {
    throw refuse(`scale [${factors.join(', ')}] must be ${axes} positive numbers.`);
  }
  const spatial = x.shape.slice(2);
  const sizes = factors
    ? spatial.map((n, axis) => Math.floor(n * at(factors, axis)))
    : perAxis(size ?? [], axes);
  const problem = checkPerAxis('size', sizes, axes, 1);
  if (problem !== undefined) throw refuse(problem);

  if (mode === 'area') return adaptiveAvgPool(x, sizes);

  return spatial.reduce((y, inputs, i) => {
    const outputs = at(sizes, i);
    const factor = factors?.[i];
    const ratio = factor === undefined ? inputs / outputs : 1 / factor;
    const corners = outputs > 1 ? (inputs - 1) / (outputs - 1) : 0;
    const step = alignCorners ? corners : ratio;
    // PyTorch copies in the linear modes, and steps by the given scale in the others.
    if (inputs === outputs && (step === 1 || mode.endsWith('linear'))) return y;
    const axis: AxisScale = { inputs, outputs, step, alignCorners };
    if (nearest) return y.gather(i + 2, nearestIndices(axis, mode === 'nearest-exact'));
    return mapAxis(y, i + 2, mode === 'bicubic' ? cubicMap(axis) : linearMap(axis));
  }, x);
}

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Resizes the spatial axes with PyTorch's index rules. */
    interpolate(options: InterpolateOptions): Tensor;
  }
}

installMethods({
  interpolate(options: InterpolateOptions) {
    return interpolate(this, options);
  },
});

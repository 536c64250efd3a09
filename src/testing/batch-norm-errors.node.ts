/**
 * How far batch normalisation in training is from float64 at large means, beside what PyTorch itself loses
 * in float32 on the same numbers (tests/fixtures/batch-norm, whose generator says what is computed).
 */
import { readFileSync } from 'node:fs';
import { gradients } from '../autodiff/gradients.js';
import { lowerToOnnx } from '../onnx/lower.js';
import { batchNorm, input } from '../ops/index.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import { runOnnx } from './check-lowering.node.js';

/** What PyTorch loses: the largest error of each value over its largest magnitude. */
export interface Recorded {
  readonly torch: string;
  readonly eps: number;
  readonly cases: readonly {
    readonly shape: Shape;
    readonly ratio: number;
    readonly errors: Readonly<Record<string, number>>;
  }[];
}

/** The cases that PyTorch's errors are known of. */
export const recorded = JSON.parse(
  readFileSync(new URL('../../tests/fixtures/batch-norm/errors.json', import.meta.url), 'utf8'),
) as Recorded;

/** As `draw` of the generator. */
export function draw(count: number, salt: number): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => {
    let total = 0;
    for (let term = 0; term < 12; term++) {
      let h = (index * 12 + term + salt * 1000003) >>> 0;
      h = Math.imul(h ^ (h >>> 16), 0x7feb352d) >>> 0;
      h = Math.imul(h ^ (h >>> 15), 0x846ca68b) >>> 0;
      total += ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
    }
    return total - 6;
  });
}

/** The inputs of a case. */
export function given(shape: Shape, ratio: number): Record<string, NdArray> {
  const channels = shape[1] ?? 1;
  const single = (of: Shape, data: Float64Array) => ndarray(of, data.map(Math.fround));
  return {
    x: single(
      shape,
      draw(elementCount(shape), 1).map((v) => v + ratio),
    ),
    identity: single(
      [channels, channels, 1, 1],
      Float64Array.from({ length: channels ** 2 }, (_, i) => Number(i % (channels + 1) === 0)),
    ),
    weight: single(
      [channels],
      draw(channels, 2).map((v) => 1 + 0.25 * v),
    ),
    bias: single([channels], draw(channels, 3)),
    kernel: single(
      [channels, channels, 1, 1],
      draw(channels ** 2, 4).map((v) => v / Math.sqrt(channels)),
    ),
    cotangent: single(shape, draw(elementCount(shape), 5)),
  };
}

/** All of it in float64, by loops. */
function exactly(values: Record<string, NdArray>, eps: number): Record<string, Float64Array> {
  const [x, weight, bias, kernel, g] = ['x', 'weight', 'bias', 'kernel', 'cotangent'].map(
    (name) => values[name] ?? ndarray([]),
  );
  if (!x || !weight || !bias || !kernel || !g) throw new Error('five values expected');
  const [batch = 1, channels = 1, ...space] = x.shape;
  const places = elementCount(space);
  const count = batch * places;
  const at = (b: number, c: number, p: number) => (b * channels + c) * places + p;
  const each = (visit: (b: number, p: number) => void) => {
    for (let b = 0; b < batch; b++) for (let p = 0; p < places; p++) visit(b, p);
  };
  const of = (data: ArrayLike<number>, i: number) => data[i] ?? NaN;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  const normalised = new Float64Array(x.data.length);
  const upstream = new Float64Array(x.data.length);
  const [dx, output] = [new Float64Array(x.data.length), new Float64Array(x.data.length)];
  const [dweight, dbias] = [new Float64Array(channels), new Float64Array(channels)];
  for (let c = 0; c < channels; c++) {
    let total = 0;
    each((b, p) => (total += of(x.data, at(b, c, p))));
    const m = total / count;
    let squares = 0;
    each((b, p) => (squares += (of(x.data, at(b, c, p)) - m) ** 2));
    const inverse = 1 / Math.sqrt(squares / count + eps);
    mean[c] = m;
    variance[c] = squares / (count - 1);
    each((b, p) => (normalised[at(b, c, p)] = (of(x.data, at(b, c, p)) - m) * inverse));
    let [sum, product] = [0, 0];
    each((b, p) => {
      let up = 0;
      for (let o = 0; o < channels; o++)
        up += of(kernel.data, o * channels + c) * of(g.data, at(b, o, p));
      upstream[at(b, c, p)] = up;
      sum += up;
      product += up * of(normalised, at(b, c, p));
    });
    dbias[c] = sum;
    dweight[c] = product;
    each((b, p) => {
      const rest = of(upstream, at(b, c, p)) - sum / count;
      dx[at(b, c, p)] =
        of(weight.data, c) * inverse * (rest - (of(normalised, at(b, c, p)) * product) / count);
    });
  }
  each((b, p) => {
    for (let o = 0; o < channels; o++) {
      let y = 0;
      for (let c = 0; c < channels; c++) {
        const z = of(normalised, at(b, c, p)) * of(weight.data, c) + of(bias.data, c);
        y += of(kernel.data, o * channels + c) * z;
      }
      output[at(b, o, p)] = y;
    }
  });
  return { output, mean, variance, dx, dweight, dbias };
}

/** The same by ONNX Runtime; block 0 is the plain layout. */
async function computed(
  values: Record<string, NdArray>,
  eps: number,
  block: number,
): Promise<Record<string, NdArray>> {
  const inputs = Object.fromEntries(
    Object.entries(values).map(([name, { shape }]) => [name, input(name, shape)]),
  );
  const { x, identity, weight, bias, kernel, cotangent } = inputs;
  if (!x || !identity || !weight || !bias || !kernel || !cotangent) throw new Error('six inputs');
  const norm = batchNorm(x.conv(identity), weight, bias, eps);
  const output = norm.output.conv(kernel);
  const [dx = x, dweight = x, dbias = x] = gradients(output, [x, weight, bias], [cotangent]);
  const count = x.size / x.dim(1);
  const variance = norm.variance.mul(count / (count - 1));
  const outputs = { output, mean: norm.mean, variance, dx, dweight, dbias };
  return runOnnx(lowerToOnnx({ inputs, outputs }, { provider: 'cpu', block }), values);
}

/** The largest difference of two elements; NaN where there is one, or nothing to compare. */
function distance(actual: NdArray | undefined, expected: Float64Array): number {
  let most = actual?.data.length === expected.length ? 0 : NaN;
  for (const [i, v] of expected.entries())
    most = Math.max(most, Math.abs(v - (actual?.data[i] ?? NaN)));
  return most;
}

/**
 * The largest error of each value over its largest magnitude (of the mean: plus a deviation).
 * @param block of the blocked layout; 0: the plain layout
 */
export async function batchNormErrors(
  values: Record<string, NdArray>,
  block: number,
): Promise<Record<string, number>> {
  const exact = exactly(values, recorded.eps);
  const actual = await computed(values, recorded.eps, block);
  return Object.fromEntries(
    Object.entries(exact).map(([name, expected]) => {
      const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const scale = name === 'mean' ? largest + 1 : largest;
      return [name, distance(actual[name], expected) / scale];
    }),
  );
}

/**
 * Batch normalisation of maps whose mean is up to 3000 deviations, in both layouts of the CPU: within
 * four times the error that PyTorch itself makes in float32 on the same numbers
 * (tests/fixtures/batch-norm, whose generator says what is computed).
 */
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { trialBlock, trialInput, trialModel } from '../onnx/blocks/trial.js';
import { lowerToOnnx } from '../onnx/lower.js';
import { runOnnx } from '../testing/check-lowering.node.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import { batchNorm, input } from './index.js';

interface Recorded {
  readonly eps: number;
  readonly cases: readonly {
    readonly shape: Shape;
    readonly ratio: number;
    readonly errors: Readonly<Record<string, number>>;
  }[];
}

/**
 * Of mean and variance by themselves, which only the running statistics show. PyTorch adds them up in
 * float64 and is off by half a unit of the last place; four times that would ask for float64 of us too.
 */
const STATISTICS = { mean: 2e-6, variance: 2e-6 };

const recorded = JSON.parse(
  readFileSync(new URL('../../tests/fixtures/batch-norm/errors.json', import.meta.url), 'utf8'),
) as Recorded;

/** As `draw` of the generator. */
function draw(count: number, salt: number): Float64Array {
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

function given(shape: Shape, ratio: number): Record<string, NdArray> {
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

let block = 0;

beforeAll(async () => {
  const session = await InferenceSession.create(trialModel());
  const [y] = Object.values(
    await session.run({ x: new OrtTensor('float32', trialInput(), [1, 64, 1, 2]) }),
  );
  block = trialBlock(y?.data as Float32Array);
});

describe.each(recorded.cases)('of $shape with a mean of $ratio deviations', (known) => {
  const { shape, ratio, errors } = known;
  const values = given(shape, ratio);
  const exact = exactly(values, recorded.eps);

  it.each(['plain', 'blocked'])('in the %s layout', async (layout) => {
    const actual = await computed(values, recorded.eps, layout === 'blocked' ? block : 0);
    for (const [name, bound] of Object.entries(errors)) {
      const expected = exact[name] ?? new Float64Array();
      const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const scale = name === 'mean' ? largest + 1 : largest;
      const error = distance(actual[name], expected) / scale;
      const allowed = { ...STATISTICS }[name] ?? 4 * bound;
      expect.soft(error, name).toBeLessThanOrEqual(allowed);
    }
  });
});

it('of rows that tell little of the rest loses no more than a digit', async () => {
  // The middle rows are at 0, the others at 3000.
  const shape = [4, 16, 32, 32];
  const noise = draw(elementCount(shape), 1);
  const data = noise.map((v, i) => v + (Math.abs((Math.floor(i / 32) % 32) - 15.5) < 2 ? 0 : 3000));
  const values = { ...given(shape, 0), x: ndarray(shape, data.map(Math.fround)) };
  const exact = exactly(values, 1e-5);
  for (const layout of [0, block]) {
    const { output } = await computed(values, 1e-5, layout);
    expect(distance(output, exact['output'] ?? new Float64Array())).toBeLessThan(1e-5);
  }
});

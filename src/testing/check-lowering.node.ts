import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { gradients } from '../autodiff/gradients.js';
import { FoveaError } from '../errors.js';
import { trialBlock, trialInput, trialModel } from '../onnx/blocks/trial.js';
import { lowerToOnnx } from '../onnx/lower.js';
import { input } from '../ops/index.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Provider } from '../tensor/op.js';
import { float32Spread, SPREADS } from '../tensor/rounding.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { outputsOf, valuesOf, type Build } from './check-gradient.js';
import { randomArray } from './values.js';

export interface LoweringCheckOptions {
  /**
   * Lowerings to check. All are run by the CPU's kernels, which know the ops of every lowering;
   * default: those of the CPU and of WebGPU, between which the lowerings differ.
   */
  readonly providers?: readonly Provider[];
  /** Seed of the inputs drawn for shapes, and of the cotangents. Default 0. */
  readonly seed?: number;
  /** Floats per block of the CPU's blocked layout; default 0, the plain layout only. */
  readonly block?: number;
  /** Where to run the session; default the CPU. */
  readonly executionProvider?: 'cpu' | 'webgpu';
}

/**
 * Runs what `build` makes, and the gradients of its float outputs, in ONNX Runtime and compares with the
 * float64 reference, each element within what float32 may lose in it ({@link withinRounding}).
 *
 * @param inputs one value or shape per input of `build`; shapes are filled with normal deviates
 * @throws FoveaError that names the output and the worst element, if one is further off
 */
export async function checkLowering(
  build: Build,
  inputs: readonly (NdArray | Shape)[],
  options: LoweringCheckOptions = {},
): Promise<void> {
  const { providers = ['cpu', 'webgpu'], seed = 0 } = options;
  const values = valuesOf(inputs, seed).map(rounded);
  const symbols = values.map(({ shape }, i) => input(`x${i}`, shape));
  const outputs = outputsOf(build(...symbols));
  const smooth = outputs.filter((y) => y.dtype === 'float32');
  const cotangents = smooth.map(({ shape }, i) => rounded(randomArray(shape, seed + 100 + i)));
  const cotangentSymbols = smooth.map(({ shape }, i) => input(`g${i}`, shape));
  const fed: Record<string, [Tensor, NdArray]> = {};
  for (const [i, symbol] of symbols.entries()) fed[`x${i}`] = [symbol, values[i] ?? ndarray([])];
  for (const [i, symbol] of cotangentSymbols.entries()) {
    fed[`g${i}`] = [symbol, cotangents[i] ?? ndarray([])];
  }
  const fetched: Record<string, Tensor> = {};
  for (const [i, y] of outputs.entries()) fetched[`output ${i}`] = y;
  const slopes = smooth.length > 0 ? gradients(smooth, symbols, cotangentSymbols) : [];
  for (const [i, slope] of slopes.entries()) fetched[`gradient of input ${i}`] = slope;

  const expected = float32Spread(Object.values(fetched), new Map(Object.values(fed)));
  for (const provider of providers) {
    const actual = await runOnnx(
      lowerToOnnx(
        {
          inputs: Object.fromEntries(Object.entries(fed).map(([name, [symbol]]) => [name, symbol])),
          outputs: fetched,
        },
        { provider, block: options.block ?? 0 },
      ),
      Object.fromEntries(Object.entries(fed).map(([name, [, value]]) => [name, value])),
      options.executionProvider,
    );
    for (const [i, name] of Object.keys(fetched).entries()) {
      const result = actual[name];
      if (result === undefined) throw new FoveaError(`${name} did not come back.`);
      withinRounding(`${name} as lowered for ${provider}`, result, {
        value: expected.values[i] ?? ndarray([]),
        spread: expected.spread[i] ?? ndarray([]),
      });
    }
  }
}

/** Results below float32's normal numbers may be 0. */
const LEAST = 2 ** -126;

/**
 * Compares an array with what it should be, element by element.
 * @throws FoveaError that names the worst element, if shapes differ or one is further off than float32 explains
 */
function withinRounding(
  what: string,
  actual: NdArray,
  expected: { readonly value: NdArray; readonly spread: NdArray },
): void {
  const { value, spread } = expected;
  if (actual.shape.join() !== value.shape.join()) {
    throw new FoveaError(`${what}: shape [${actual.shape.join()}], not [${value.shape.join()}]`);
  }
  for (const [j, want] of value.data.entries()) {
    const is = actual.data[j] ?? NaN;
    const allowed = SPREADS * (spread.data[j] ?? 0) + LEAST;
    // Written so that NaN fails; equal infinities pass.
    if (is !== want && !(Math.abs(is - want) <= allowed)) {
      throw new FoveaError(
        `${what}: element ${j} of [${value.shape.join()}] is ${is}, not ${want}; rounding explains ${allowed}.`,
      );
    }
  }
}

/** Runs a model with float inputs once, in this process. */
export async function runOnnx(
  model: Uint8Array,
  feeds: Readonly<Record<string, NdArray>>,
  executionProvider: 'cpu' | 'webgpu' = 'cpu',
): Promise<Record<string, NdArray>> {
  const session = await InferenceSession.create(model, {
    executionProviders: [executionProvider],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      new OrtTensor('float32', Float32Array.from(data), [...shape]),
    ]);
    const results = await session.run(Object.fromEntries(tensors) as Record<string, OrtTensor>);
    return Object.fromEntries(
      Object.entries(results).map(([name, result]) => [
        name,
        ndarray(result.dims, Float64Array.from(result.data as ArrayLike<number>, Number)),
      ]),
    );
  } finally {
    await session.release();
  }
}

/** The values that are left when an array is fed as float32. */
function rounded({ shape, data }: NdArray): NdArray {
  return ndarray(shape, Float64Array.from(data, Math.fround));
}

/** Floats per block of the CPU's blocked layout on this machine, as the engine finds it out. */
export async function blockOfThisMachine(): Promise<number> {
  const session = await InferenceSession.create(trialModel());
  const [y] = Object.values(
    await session.run({ x: new OrtTensor('float32', trialInput(), [1, 64, 1, 2]) }),
  );
  await session.release();
  return trialBlock(y?.data as Float32Array);
}

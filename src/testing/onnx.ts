import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { FoveaError } from '../errors.js';
import { lowerToOnnx } from '../onnx/lower.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Computes tensors of a graph by ONNX Runtime on the CPU, in float32, in this process: for tests that
 * compare a whole model where the float64 reference would be too slow.
 */
export async function evaluateWithOnnx(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, NdArray>,
): Promise<NdArray[]> {
  const entries = [...feeds].map(([tensor, value], i) => ({ name: `in${i}`, tensor, value }));
  const bytes = lowerToOnnx(
    {
      inputs: Object.fromEntries(entries.map(({ name, tensor }) => [name, tensor])),
      outputs: Object.fromEntries(outputs.map((tensor, i) => [`out${i}`, tensor])),
    },
    { provider: 'cpu' },
  );
  const session = await InferenceSession.create(bytes);
  try {
    const results = await session.run(
      Object.fromEntries(
        entries.map(({ name, tensor: { dtype }, value: { shape, data } }) => [
          name,
          dtype === 'int32'
            ? new OrtTensor('int32', Int32Array.from(data), shape)
            : new OrtTensor('float32', Float32Array.from(data), shape),
        ]),
      ),
    );
    return outputs.map(({ shape }, i) => {
      const result = results[`out${i}`];
      if (result === undefined) throw new FoveaError(`The session has no output out${i}.`);
      return ndarray(shape, Array.from(result.data as ArrayLike<number | bigint>, Number));
    });
  } finally {
    await session.release();
  }
}

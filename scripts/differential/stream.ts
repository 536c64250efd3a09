/** Reading what torch_side.py writes: files one after the other, each with its length before it. */
import { readSafetensors } from '../../src/formats/safetensors.js';
import { ndarray, type NdArray } from '../../src/tensor/ndarray.js';
import type { Case } from './layer.js';

export interface DrawnCase {
  readonly about: Case;
  readonly tensors: ReadonlyMap<string, NdArray>;
}

/** The cases of a stream, as they come. */
export async function* readCases(stream: AsyncIterable<Buffer>): AsyncGenerator<DrawnCase> {
  let pending = Buffer.alloc(0);
  for await (const chunk of stream) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 8) {
      const end = 8 + Number(pending.readBigUInt64LE(0));
      if (pending.length < end) break;
      yield parse(pending.subarray(8, end));
      pending = pending.subarray(end);
    }
  }
}

function parse(bytes: Uint8Array): DrawnCase {
  const { tensors, metadata } = readSafetensors(bytes, 'torch_side.py');
  return {
    about: JSON.parse(metadata['case'] ?? '') as Case,
    tensors: new Map(
      [...tensors].map(([name, { shape, data }]) => [
        name,
        ndarray(shape, Array.from(data, Number)),
      ]),
    ),
  };
}

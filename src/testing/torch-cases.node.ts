import { readFileSync } from 'node:fs';
import type { NdArray } from '../tensor/ndarray.js';
import { ndarray } from '../tensor/ndarray.js';

/** What PyTorch computed for one op: see tests/fixtures/ops/generate.py. */
export interface TorchCase<Options = Readonly<Record<string, unknown>>> {
  readonly op: string;
  readonly options: Options;
  readonly inputs: readonly NdArray[];
  readonly output: NdArray;
  readonly cotangent: NdArray;
  readonly gradients: readonly NdArray[];
}

interface StoredArray {
  readonly shape: number[];
  readonly data: number[];
}

interface StoredCase extends Omit<TorchCase, 'inputs' | 'output' | 'cotangent' | 'gradients'> {
  readonly inputs: StoredArray[];
  readonly output: StoredArray;
  readonly cotangent: StoredArray;
  readonly gradients: StoredArray[];
}

/** The cases of tests/fixtures/ops/`name`.json. */
export function torchCases(name: string): TorchCase[] {
  const url = new URL(`../../tests/fixtures/ops/${name}.json`, import.meta.url);
  const stored = JSON.parse(readFileSync(url, 'utf8')) as StoredCase[];
  const array = ({ shape, data }: StoredArray) => ndarray(shape, data);
  return stored.map(({ op, options, inputs, output, cotangent, gradients }) => ({
    op,
    options,
    inputs: inputs.map(array),
    output: array(output),
    cotangent: array(cotangent),
    gradients: gradients.map(array),
  }));
}

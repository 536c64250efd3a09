import { readFileSync } from 'node:fs';
import { readGolden, type GoldenCase } from '../parity/golden.js';

/** A golden case of tests/fixtures/golden, by its file name without the ending. */
export function goldenCase(name: string): GoldenCase {
  const file = new URL(`../../tests/fixtures/golden/${name}.safetensors`, import.meta.url);
  return readGolden(readFileSync(file), name);
}

/** A JSON file of tests/fixtures. What it holds is the caller's claim. */
export function jsonFixture(name: string): unknown {
  const file = new URL(`../../tests/fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'));
}

interface TorchCase {
  readonly layer: string;
  readonly tensors: Readonly<
    Record<string, { readonly shape: number[]; readonly values: number[] }>
  >;
}

/** The golden cases of a JSON file that tests/fixtures/make-torch-numbers.py wrote, in float64 with 12 digits. */
export function torchCases(name: string): GoldenCase[] {
  return (jsonFixture(name) as TorchCase[]).map(({ layer, tensors }) => ({
    module: layer,
    config: {},
    nearZero: [],
    tensors: new Map(
      Object.entries(tensors).map(
        ([tensor, { shape, values }]) =>
          [tensor, { dtype: 'F64', shape, data: Float64Array.from(values) }] as const,
      ),
    ),
  }));
}

import { readFileSync } from 'node:fs';
import { readGolden, type GoldenCase } from './golden.js';

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

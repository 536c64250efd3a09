import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { compareGoldenLoop, runGoldenLoop, type GoldenLoop } from './golden-loop.js';
import { readGolden } from './golden.js';
import { readSafetensors } from '../formats/safetensors.js';

const bytes = readFileSync(
  new URL('../../tests/fixtures/golden/train_loop.safetensors', import.meta.url),
);
const golden = readGolden(bytes, 'train_loop');

describe("one epoch of document 000's script, three batches of which the last is smaller", () => {
  let runtime: Runtime;
  let loop: GoldenLoop;
  beforeAll(async () => {
    runtime = await createRuntime('cpu', { worker: false });
    loop = await runGoldenLoop(golden, runtime);
  });
  afterAll(() => runtime.close());

  it('has the losses, the weights and the running statistics of PyTorch', async () => {
    expect(loop.losses.train).toHaveLength(3);
    expect(loop.losses.val).toHaveLength(2);
    const { differences } = await compareGoldenLoop(golden, runtime);
    expect(differences).toHaveLength(2 + 122);
    const wrong = differences.filter(({ name, kind, error }) => {
      const tolerance = kind !== 'state' ? 2e-5 : name.includes('running_') ? 1e-5 : 1e-4;
      return !(error < tolerance);
    });
    expect(wrong).toEqual([]);
  });

  it('gets as many images right as the error rates, which the document calls precision, say', () => {
    const { train_returned, validate_returned } = readSafetensors(bytes).metadata;
    expect(100 - loop.top1.train).toBeCloseTo(Number(train_returned), 4);
    expect(100 - loop.top1.val).toBeCloseTo(Number(validate_returned), 4);
  });
});

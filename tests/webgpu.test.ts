/**
 * The same training step on WebGPU in Node. Needs a Vulkan (or Metal, or Direct3D) driver; without a
 * GPU, SwiftShader from a Chromium that is installed serves, together with the Vulkan loader.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { createRuntime } from '../src/runtime/node/create.js';
import { gpuEnvironment } from './support/gpu-environment.js';
import type { GpuAnswer } from './support/gpu-process.js';
import { plain, type PlainTraining } from './support/plain-training.js';
import { expectSameTraining } from './support/same-training.js';
import { tinyTraining } from './support/tiny-training.js';

async function ask(): Promise<GpuAnswer> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'support/gpu-process.ts')],
    { env: gpuEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const end = await new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? String(code)));
  });
  if (end !== '0') throw new Error(`The process on WebGPU ended with ${end}:\n${errors}`);
  return JSON.parse(output) as GpuAnswer;
}

describe('WebGPU in Node', () => {
  let answer: GpuAnswer;
  let onCpu: PlainTraining;

  beforeAll(async () => {
    answer = await ask();
    const runtime = await createRuntime('cpu', { worker: false });
    onCpu = plain(await tinyTraining(runtime));
    await runtime.close();
  }, 180_000);

  const given = <T>(value: T | undefined, { skip }: TestContext): T =>
    value ?? skip(answer.refused ?? 'WebGPU gave no answer');

  it('trains as the CPU does, and the state comes back', (context) => {
    expectSameTraining(given(answer.training, context), onCpu);
  });

  it('serves one runtime at a time', (context) => {
    expect(given(answer.second, context)).toBe(
      "DeviceError: Another runtime of this program has the device 'webgpu'. Close it first, or use the device 'cpu'.",
    );
  });

  it('a training whose values are no longer numbers is stopped, though its loss looks healthy', (context) => {
    expect(given(answer.broken, context)).toMatch(
      /^Diverged: The values of '0\.weight' were no longer finite in epoch 1\./,
    );
  });
});

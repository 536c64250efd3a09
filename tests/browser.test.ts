/**
 * The same training step in a browser. Needs Chromium (CHROMIUM_PATH, or one of the usual places);
 * its WebGPU runs on SwiftShader where there is no GPU.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../src/runtime/node/create.js';
import { findChromium, openPage, type TestPage } from './support/browser.js';
import { plain, type PlainTraining } from './support/plain-training.js';
import { expectSameTraining } from './support/same-training.js';
import { tinyTraining } from './support/tiny-training.js';

const chromium = findChromium();
const title =
  chromium === undefined ? 'in a browser (none was found: set CHROMIUM_PATH)' : 'in a browser';

describe.skipIf(chromium === undefined)(title, () => {
  let page: TestPage;
  let onCpu: PlainTraining;

  const ask = (method: string, ...args: unknown[]) =>
    page.evaluate(`page.${method}(${args.map((arg) => JSON.stringify(arg)).join()})`);
  const train = async (device: string, options: object) =>
    (await ask('train', device, options)) as PlainTraining;

  beforeAll(async () => {
    page = await openPage(join(import.meta.dirname, 'support/page'), chromium ?? '');
    const runtime = await createRuntime('cpu', { worker: false });
    onCpu = plain(await tinyTraining(runtime));
    await runtime.close();
  }, 120_000);

  afterAll(() => page.close());

  it('the page is isolated, so that WebAssembly has its threads', async () => {
    expect(await ask('isolated')).toBe(true);
  });

  it.each([
    ['a worker, on two threads', { threads: 2 }],
    ['the page itself', { worker: false }],
  ])('WebAssembly in %s trains as the CPU does in Node', async (_, options) => {
    expectSameTraining(await train('wasm', options), onCpu);
  });

  it('WebGPU trains as the CPU does in Node', { timeout: 180_000 }, async ({ skip }) => {
    const missing = await ask('webgpu');
    if (missing !== '') skip(String(missing));
    expectSameTraining(await train('webgpu', {}), onCpu);
  });

  it('a device of Node is refused, and those of a browser are named', async () => {
    expect(await ask('refusal', 'cpu', {})).toBe(
      "The device 'cpu' does not exist in a browser. Devices there: wasm, webgpu.",
    );
  });

  it('a WebAssembly file that is not there is told as such by the worker', async () => {
    expect(await ask('refusal', 'wasm', { wasmPaths: '/nowhere/' })).toMatch(
      /^The device 'wasm' is not to be had: .*wasmPaths says\.$/,
    );
  });
});

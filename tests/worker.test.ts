/** The engine's thread in Node, from the compiled package. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Fovea from '../src/node.js';
import { imagesLike } from '../src/testing/data-info.js';

const compiled = new URL('../dist/node.js', import.meta.url).href;

describe('the runtime in a thread of its own', () => {
  let fovea: typeof Fovea;
  let runtime: Fovea.Runtime;

  beforeAll(async () => {
    fovea = (await import(compiled)) as typeof Fovea;
    runtime = await fovea.createRuntime();
  });

  afterAll(() => runtime.close());

  it('leaves the event loop free during a training step', async () => {
    const { classification, createModel, initialState, sgd, trainingStep } = fovea;
    const model = createModel('resnet20', { classes: 10, seed: 1 });
    const optimizer = sgd({ momentum: 0.9 });
    const batchSize = 64;
    const { graph } = trainingStep(classification(), model, optimizer, imagesLike([3, 32, 32]), {
      batchSize,
    });
    const step = await runtime.compile(graph);
    const state = await runtime.createState(initialState(model, optimizer));
    const images = new Float32Array(batchSize * 3 * 32 * 32);
    const labels = new Int32Array(batchSize);

    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await step.run({ images, labels, lr: Float32Array.of(0.1) }, state);
    clearInterval(timer);
    const { milliseconds } = step.statistics;
    await state.dispose();
    await step.dispose();

    // A blocked loop would give none; with every core at work there is not one each millisecond.
    expect(milliseconds).toBeGreaterThan(20);
    expect(ticks).toBeGreaterThan(milliseconds / 20);
  });

  it('gives errors as what they are', async () => {
    const { DeviceError, FoveaError, RequestError, createRuntime, input } = fovea;
    const nowhere = createRuntime('wasm');
    await expect(nowhere).rejects.toBeInstanceOf(DeviceError);
    await expect(nowhere).rejects.toThrow(
      "The device 'wasm' does not exist in Node. Devices there: cpu, webgpu, cuda.",
    );

    const x = input('x', [2]);
    const double = await runtime.compile({ inputs: { x }, outputs: { y: x.add(x) } });
    const missing = double.run({});
    await expect(missing).rejects.toBeInstanceOf(FoveaError);
    await expect(missing).rejects.not.toBeInstanceOf(RequestError);
    await expect(missing).rejects.toThrow("The input 'x' was not given a value.");
    await double.dispose();
  });

  it('refuses what is asked for after it was closed', async () => {
    const other = await fovea.createRuntime();
    const state = await other.createState({});
    await other.close();
    await expect(state.read()).rejects.toThrow('The runtime was closed.');
  });

  it('finishes what was asked for before it was closed', async () => {
    const other = await fovea.createRuntime();
    const data = Float32Array.of(3);
    const state = await other.createState({ a: { dtype: 'float32', shape: [1], data } });
    const values = state.read();
    await other.close();
    expect((await values)['a']?.data).toEqual(data);
  });

  it('does not keep a program alive when it has nothing to do', async () => {
    const program = `
      const { createRuntime, input } = await import(${JSON.stringify(compiled)});
      const runtime = await createRuntime();
      const x = input('x', [1]);
      const double = await runtime.compile({ inputs: { x }, outputs: { y: x.add(x) } });
      const { y } = await double.run({ x: Float32Array.of(21) });
      console.log(y.data[0]);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: join(import.meta.dirname, '..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, output }).toEqual({ code: 0, output: '42\n' });
  });
});

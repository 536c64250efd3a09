/** Lifetimes: what may be disposed, closed and shared, in one thread and across a port. */
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FoveaError } from '../errors.js';
import { input } from '../ops/index.js';
import { CLOSED, Engine, type EngineApi, type Ort } from './engine.js';
import { createEngine } from './node/engine.js';
import { RemoteEngine, serveEngine, type Port } from './port.js';
import { Runtime, type Executable, type StatefulGraph } from './runtime.js';

async function local(): Promise<Runtime> {
  const engine = await createEngine('cpu');
  return new Runtime('cpu', engine, () => engine.close());
}

/** As in a worker, but for the thread. */
function remote(): Promise<Runtime> {
  const { port1, port2 } = new MessageChannel();
  const over = (port: typeof port1): Port => ({
    post: (message, transfer = []) => port.postMessage(message, transfer),
    listen: (handler) => void port.on('message', handler),
  });
  serveEngine(over(port1), createEngine('cpu'));
  const engine = new RemoteEngine(over(port2));
  const close = async () => {
    await engine.close();
    port2.close();
  };
  return Promise.resolve(new Runtime('cpu', engine, close));
}

/** y = x + x, or any other multiple of x. */
function times(runtime: Runtime, factor: number, size = 2): Promise<Executable> {
  const x = input('x', [size]);
  return runtime.compile({ inputs: { x }, outputs: { y: x.mul(factor) } });
}

/** A counter: every run adds x to the state's `sum`. */
function counter(runtime: Runtime): Promise<Executable> {
  const x = input('x', [1]);
  const sum = input('sum', [1]);
  return runtime.compile({
    inputs: { x },
    outputs: { y: sum.add(0) },
    state: { sum },
    next: { sum: sum.add(x) },
  });
}

const values = async (executable: Executable, ...x: number[]) => {
  const { y } = await executable.run({ x: Float32Array.from(x) });
  return Array.from(y?.data as Float32Array);
};
const sumOf = (value: number) =>
  ({ sum: { dtype: 'float32', shape: [1], data: Float32Array.of(value) } }) as const;

describe.each([
  ['in this thread', local],
  ['behind a port', remote],
])('a runtime %s', (_, create) => {
  let runtime: Runtime;
  beforeEach(async () => {
    runtime = await create();
  });
  afterEach(() => runtime.close());

  it('does not run an executable that was disposed, though its session may be kept', async () => {
    const double = await times(runtime, 2);
    expect(await values(double, 1, 2)).toEqual([2, 4]);
    await double.dispose();
    await expect(values(double, 1, 2)).rejects.toThrow(FoveaError);
    await expect(values(double, 1, 2)).rejects.toThrow('The executable was disposed.');
  });

  it('keeps the session of one executable when another of the same model is disposed, even twice', async () => {
    const [one, other] = [await times(runtime, 2), await times(runtime, 2)];
    for (let time = 0; time < 3; time++) await one.dispose();
    // More than the sessions that are kept for whoever comes back to them.
    for (let factor = 3; factor < 15; factor++) await (await times(runtime, factor)).dispose();
    expect(await values(other, 1, 2)).toEqual([2, 4]);
    await expect(values(one, 1, 2)).rejects.toThrow('The executable was disposed.');
  });

  it('lets the run under way end before it disposes', async () => {
    const double = await times(runtime, 2);
    const running = values(double, 1, 2);
    await Promise.all([double.dispose(), double.dispose()]);
    expect(await running).toEqual([2, 4]);
  });

  it('tells models apart that differ in one byte, wherever it is', async () => {
    // Constants whose bytes end up at every place within a word of the file, with the sign too.
    const factors = [3, 3.0000002, -3, 3.0000005];
    for (const size of [1, 10, 100, 1000]) {
      const all = await Promise.all(factors.map((factor) => times(runtime, factor, size)));
      for (const [i, factor] of factors.entries()) {
        const got = await values(all[i]!, ...Array.from({ length: size }, () => 1));
        expect(got[size - 1]).toBe(Math.fround(factor));
      }
    }
  });

  it('disposes a state once, and says so when it is asked for afterwards', async () => {
    const count = await counter(runtime);
    const state = await runtime.createState(sumOf(1));
    const other = await runtime.createState(sumOf(10));
    await state.dispose();
    await state.dispose();
    await expect(state.read()).rejects.toThrow('The state was disposed.');
    await expect(count.run({ x: Float32Array.of(1) }, state)).rejects.toThrow(
      'The state was disposed.',
    );
    await count.run({ x: Float32Array.of(5) }, other);
    expect((await other.read())['sum']?.data[0]).toBe(15);
  });

  it('refuses the state of another runtime', async () => {
    const elsewhere = await local();
    const state = await elsewhere.createState(sumOf(1));
    await runtime.createState(sumOf(2));
    const count = await counter(runtime);
    await expect(count.run({ x: Float32Array.of(1) }, state)).rejects.toThrow(
      'The state belongs to another runtime than the executable.',
    );
    await elsewhere.close();
  });

  it('is closed once; what follows is refused, and disposing harms nothing', async () => {
    const double = await times(runtime, 2);
    const state = await runtime.createState(sumOf(1));
    const running = values(double, 1, 2);
    await Promise.all([runtime.close(), runtime.close()]);
    await runtime.close();
    expect(await running).toEqual([2, 4]);
    await double.dispose();
    await state.dispose();
    await expect(values(double, 1, 2)).rejects.toThrow(CLOSED);
    await expect(state.read()).rejects.toThrow(CLOSED);
    await expect(runtime.createState(sumOf(1))).rejects.toThrow(CLOSED);
    await expect(times(runtime, 7)).rejects.toThrow(CLOSED);
  });
});

describe('an engine', () => {
  /** An ONNX Runtime that only counts the sessions that it is asked for. */
  function counting(): { engine: Engine; made: () => number } {
    let made = 0;
    const session = { inputNames: [], outputNames: [], release: () => Promise.resolve() };
    const create = () => {
      made++;
      return Promise.resolve(session);
    };
    const ort = { InferenceSession: { create }, Tensor: class {} } as unknown as Ort;
    return { engine: new Engine(ort, 'cpu'), made: () => made };
  }

  it('makes a session for every model that differs in a byte or a sign, and for no other', async () => {
    const { engine, made } = counting();
    const signs = (...places: number[]) =>
      Uint8Array.from({ length: 16 }, (_, i) => (places.includes(i) ? 0x80 : 0));
    const models = [
      ...Array.from({ length: 9 }, (_, i) => Uint8Array.from({ length: i }, () => 1)),
      Uint8Array.of(1, 1, 1, 1, 2),
      ...[signs(), signs(3), signs(7), signs(3, 7), signs(3, 7, 11, 15)],
    ];
    for (const model of [...models, ...models]) await engine.load(model.slice(), { next: [] });
    expect(made()).toBe(models.length);
  });
});

it('a run that fails leaves the state as it was', async () => {
  const engine = await createEngine('cpu');
  let failing = false;
  // The runtime checks feeds before an engine sees them, so the wrong one is put in behind it.
  const spoiled: EngineApi = {
    load: (model, options) => engine.load(model, options),
    run: (session, { x, ...others }, state) => {
      const wrong = { dtype: 'float32', shape: [3], data: new Float32Array(3) } as const;
      return engine.run(session, { ...others, ...(x && { x: failing ? wrong : x }) }, state);
    },
    unload: (session) => engine.unload(session),
    blockSize: () => engine.blockSize(),
    createState: (entries) => engine.createState(entries),
    readState: (state) => engine.readState(state),
    disposeState: (state) => engine.disposeState(state),
  };
  const runtime = new Runtime('cpu', spoiled, () => engine.close());
  const adding = await counter(runtime);
  const state = await runtime.createState(sumOf(5));
  const add = (x: number) => adding.run({ x: Float32Array.of(x) }, state);
  const sum = async () => Array.from((await state.read())['sum']?.data as Float32Array);
  await add(2);
  failing = true;
  await expect(add(100)).rejects.toThrow();
  expect(await sum()).toEqual([7]);
  failing = false;
  await add(1);
  expect(await sum()).toEqual([8]);
  await runtime.close();
});

describe('the layout that a graph is written in', () => {
  const x = input('x', [1, 64, 4, 4]);
  const w = input('w', [64, 64, 1, 1]);
  const y = x.conv(w).relu().conv(w);
  const weights = new Map([[w, new Float32Array(64 * 64)]]);

  /** Whether the model for the CPU has nodes of its blocked layout, where it has blocks of a size. */
  async function isBlocked(graph: StatefulGraph, layout?: 'plain', block = 16): Promise<boolean> {
    let bytes = new Uint8Array();
    const engine: Partial<EngineApi> = {
      blockSize: () => Promise.resolve(block),
      load: (model) => {
        bytes = model.slice();
        return Promise.resolve(0);
      },
    };
    const runtime = new Runtime('cpu', engine as EngineApi, () => Promise.resolve());
    await runtime.compile(graph, layout ? { layout } : {});
    return new TextDecoder('latin1').decode(bytes).includes('com.microsoft.nchwc');
  }

  it('is the blocked one where weights are inputs', async () => {
    expect(await isBlocked({ inputs: { x, w }, outputs: { y } })).toBe(true);
  });

  it('is the plain one where they are constants, where it is asked for, and where the trial found no blocks', async () => {
    const graph = { inputs: { x, w }, outputs: { y } };
    expect(await isBlocked({ inputs: { x }, outputs: { y }, constants: weights })).toBe(false);
    expect(await isBlocked(graph, 'plain')).toBe(false);
    expect(await isBlocked(graph, undefined, 0)).toBe(false);
  });
});

import { Worker } from 'node:worker_threads';
import { DeviceError, FoveaError } from '../../errors.js';
import { CLOSED, type EngineApi } from '../engine.js';
import { RemoteEngine, type Port } from '../port.js';
import { Runtime, type Device } from '../runtime.js';
import { createEngine } from './engine.js';
import { disableTelemetry } from './telemetry.js';

export interface NodeRuntimeOptions {
  /**
   * Run the engine in a thread of its own, so that the program's event loop stays free. Default
   * true. Needs the compiled package; from TypeScript sources say false.
   */
  readonly worker?: boolean;
  /** Threads within one operator. Default: one per core. */
  readonly threads?: number;
}

/** An engine, and how to end it. */
interface StartedEngine {
  readonly engine: EngineApi;
  readonly close: () => Promise<void>;
}

/** The runtime that has the GPU: ONNX Runtime cannot serve two threads of one process with it. */
let gpuTaken = false;

/**
 * Starts an engine in Node.
 * @param device `cpu` (the default), `webgpu` or `cuda`. One runtime of a process can have `webgpu`
 *   at a time
 * @throws DeviceError if the device is not to be had, naming what is
 */
export async function createRuntime(
  device: Device = 'cpu',
  options: NodeRuntimeOptions = {},
): Promise<Runtime> {
  if (device !== 'webgpu') {
    const { engine, close } = await start(device, options);
    return new Runtime(device, engine, close);
  }
  if (gpuTaken) {
    throw new DeviceError(
      "Another runtime of this program has the device 'webgpu'. Close it first, or use the device 'cpu'.",
    );
  }
  gpuTaken = true;
  try {
    const { engine, close } = await start(device, options);
    return new Runtime(device, engine, async () => {
      await close();
      gpuTaken = false;
    });
  } catch (error) {
    gpuTaken = false;
    throw error;
  }
}

async function start(
  device: Device,
  { worker = true, threads }: NodeRuntimeOptions,
): Promise<StartedEngine> {
  disableTelemetry();
  if (!worker) {
    const engine = await createEngine(device, threads);
    return { engine, close: () => engine.close() };
  }
  const thread = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { provider: device, threads },
    // The program's own flags (--input-type, --import ..) are not meant for this file.
    execArgv: [],
  });
  const port: Port = {
    post: (message, transfer = []) => thread.postMessage(message, transfer),
    listen: (handler) => void thread.on('message', handler),
  };
  const engine = new RemoteEngine(port, (busy) => (busy ? thread.ref() : thread.unref()));
  const ended = new Promise<void>((resolve) => {
    thread.on('error', (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      engine.fail(new FoveaError(`The engine's thread failed: ${reason}`));
    });
    thread.on('exit', () => {
      engine.fail(new FoveaError(CLOSED));
      resolve();
    });
  });
  const close = async () => {
    await engine.close();
    thread.ref();
    thread.postMessage('close');
    await ended;
  };
  try {
    // A first request brings any DeviceError here, where the device was asked for.
    const check = await engine.createState({});
    await engine.disposeState(check);
    return { engine, close };
  } catch (error) {
    await close();
    throw error;
  }
}

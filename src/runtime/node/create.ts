import { Worker } from 'node:worker_threads';
import { FoveaError } from '../../errors.js';
import { RemoteEngine, type Port } from '../port.js';
import { Runtime, type Device } from '../runtime.js';
import { createEngine } from './engine.js';

export interface NodeRuntimeOptions {
  /** Run the engine in a thread of its own, so that the program's event loop stays free. Default true. */
  readonly worker?: boolean;
  /** Threads within one operator. Default: one per core. */
  readonly threads?: number;
}

/**
 * Starts an engine in Node.
 * @throws DeviceError if the device is not to be had, naming what is
 */
export async function createRuntime(
  device: Device = 'cpu',
  { worker = true, threads }: NodeRuntimeOptions = {},
): Promise<Runtime> {
  if (!worker) return new Runtime(device, await createEngine(device, threads));

  const thread = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { provider: device, threads },
  });
  const port: Port = {
    post: (message) => thread.postMessage(message),
    listen: (handler) => void thread.on('message', handler),
  };
  const engine = new RemoteEngine(port, (busy) => (busy ? thread.ref() : thread.unref()));
  const ended = new Promise<void>((resolve) => {
    thread.on('error', (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      engine.fail(new FoveaError(`The engine's thread failed: ${reason}`));
    });
    thread.on('exit', () => {
      engine.fail(new FoveaError('The runtime was closed.'));
      resolve();
    });
  });
  const runtime = new Runtime(device, engine, () => {
    thread.ref();
    thread.postMessage('close');
    return ended;
  });
  // A first request brings any DeviceError here, where the device was asked for.
  const check = await engine.createState({});
  await engine.disposeState(check);
  return runtime;
}

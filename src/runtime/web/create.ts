import { DeviceError, FoveaError } from '../../errors.js';
import { RemoteEngine } from '../port.js';
import { Runtime } from '../runtime.js';
import { createEngine, type WebDevice, type WebEngineOptions, type WebOrt } from './engine.js';

export interface WebRuntimeOptions extends WebEngineOptions {
  /**
   * Run the engine in a worker, so that the page stays responsive; default true. False: in this
   * thread, with one thread unless `threads` says otherwise. A Worker of your own: one that was
   * made from `fovea/web/wasm-worker` or `fovea/web/webgpu-worker`, which is terminated with the
   * runtime.
   */
  readonly worker?: boolean | Worker;
}

const DEVICES: Readonly<Record<WebDevice, () => Promise<WebOrt>>> = {
  wasm: () => import('onnxruntime-web/wasm'),
  // Not the package's default build: its WebGPU trains with wrong values, without an error.
  webgpu: () => import('onnxruntime-web/webgpu'),
};

/**
 * Starts an engine in a browser.
 *
 * The engine's worker is a file of its own. Vite and webpack 5 find it and ONNX Runtime's .wasm file
 * by themselves (for Vite's development server, list `fovea` and `onnxruntime-web` in
 * `optimizeDeps.exclude`). With esbuild, bundle `fovea/web/wasm-worker` to `wasm-worker.js` beside
 * the page's script, and copy `onnxruntime-web/dist/ort-wasm-simd-threaded.wasm` there too; for
 * WebGPU these are `webgpu-worker.js` and `ort-wasm-simd-threaded.asyncify.wasm`.
 *
 * @param device `wasm`, the processor, which every browser has, or `webgpu`
 * @throws DeviceError if the device is not to be had, naming what is
 * @example
 * const runtime = await createRuntime('gpu' in navigator ? 'webgpu' : 'wasm');
 */
export async function createRuntime(
  device: WebDevice = 'wasm',
  { worker = true, ...options }: WebRuntimeOptions = {},
): Promise<Runtime> {
  if (!Object.hasOwn(DEVICES, device)) {
    throw new DeviceError(
      `The device '${device}' does not exist in a browser. Devices there: ${Object.keys(DEVICES).join(', ')}.`,
    );
  }
  if (worker === false) {
    // More threads would load the page's own script again, which is seldom made for that.
    const engine = await createEngine(await DEVICES[device](), device, { threads: 1, ...options });
    return new Runtime(device, engine, () => engine.close());
  }
  const thread = worker === true ? startWorker(device) : worker;
  const engine = new RemoteEngine({
    post: (message, transfer = []) => thread.postMessage(message, [...transfer]),
    listen: (handler) => thread.addEventListener('message', ({ data }) => handler(data)),
  });
  thread.addEventListener('error', ({ message }) => {
    const reason = message || 'its script could not be loaded';
    engine.fail(new FoveaError(`The engine's worker failed: ${reason}`));
  });
  const close = async () => {
    await engine.close();
    thread.terminate();
  };
  thread.postMessage(options);
  try {
    // A first request brings any DeviceError here, where the device was asked for.
    await engine.disposeState(await engine.createState({}));
    return new Runtime(device, engine, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Written out for each device, since bundlers look for exactly this expression. */
function startWorker(device: WebDevice): Worker {
  return device === 'wasm'
    ? new Worker(new URL('./wasm-worker.js', import.meta.url), { type: 'module' })
    : new Worker(new URL('./webgpu-worker.js', import.meta.url), { type: 'module' });
}

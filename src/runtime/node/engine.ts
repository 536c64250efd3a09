import { DeviceError, RequestError } from '../../errors.js';
import { loadForNode } from '../../packages.node.js';
import type { Provider } from '../../tensor/op.js';
import { Engine, MOST_THREADS } from '../engine.js';
import { probe } from '../probe.js';

const DEVICES: readonly Provider[] = ['cpu', 'webgpu', 'cuda'];

/** What each device that may be missing needs. */
const NEEDS: Partial<Record<Provider, string>> = {
  cuda: 'it needs an NVIDIA GPU with its driver, CUDA 12 with cuDNN 9, and on Linux the CUDA libraries of ONNX Runtime, which are fetched once by: node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install (see docs/install.md)',
  webgpu: 'it needs a GPU with a driver for Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS)',
};

/**
 * An engine on onnxruntime-node, in this thread.
 * @param threads threads of one operator; ONNX Runtime's default is one per core
 * @throws RequestError if that is no number of threads
 * @throws FoveaError if onnxruntime-node is not installed
 * @throws DeviceError if the device does not exist in Node or does not work on this machine; names those that do
 */
export async function createEngine(provider: Provider, threads?: number): Promise<Engine> {
  if (!DEVICES.includes(provider)) {
    throw new DeviceError(
      `The device '${provider}' does not exist in Node. Devices there: ${DEVICES.join(', ')}.`,
    );
  }
  if (
    threads !== undefined &&
    !(Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS)
  ) {
    throw new RequestError(
      `threads is ${threads}; expected a whole number from 1 to ${MOST_THREADS}. Leave it out for one per core.`,
    );
  }
  const ort = await loadForNode(() => import('onnxruntime-node'));
  // What fails is thrown; ONNX Runtime would write it to the terminal besides.
  ort.env.logLevel = 'fatal';
  const engine = new Engine(
    ort,
    provider,
    threads === undefined ? {} : { intraOpNumThreads: threads },
  );
  const reason = await probe(engine);
  if (reason === undefined) return engine;
  throw new DeviceError(
    `The device '${provider}' does not work on this machine: ${NEEDS[provider] ?? reason}. The device 'cpu' always does.`,
    { cause: new Error(reason) },
  );
}

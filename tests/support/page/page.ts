/** What a test asks of the page, as functions of its window. */
import {
  createRuntime,
  DeviceError,
  type WebDevice,
  type WebRuntimeOptions,
} from '../../../src/web.js';
import { plain } from '../plain-training.js';
import { tinyTraining } from '../tiny-training.js';

const page = {
  isolated: () => crossOriginIsolated,

  /** Whether WebGPU has an adapter here; the reason why not, otherwise. */
  async webgpu(): Promise<string> {
    if (!('gpu' in navigator)) return 'this browser has no WebGPU';
    const adapter = await navigator.gpu.requestAdapter();
    return adapter === null ? 'WebGPU has no adapter' : '';
  },

  /** Ten steps on a device. */
  async train(device: WebDevice, options: WebRuntimeOptions) {
    const runtime = await createRuntime(device, options);
    const training = await tinyTraining(runtime);
    await runtime.close();
    return plain(training);
  },

  /** The message of the DeviceError that a device gives. */
  async refusal(device: string, options: WebRuntimeOptions) {
    try {
      await createRuntime(device as WebDevice, options);
      return undefined;
    } catch (error) {
      return error instanceof DeviceError ? error.message : `another error: ${String(error)}`;
    }
  },
};

Object.assign(window, { page });

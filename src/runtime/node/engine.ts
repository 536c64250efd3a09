import { DeviceError } from '../../errors.js';
import type { Provider } from '../../tensor/op.js';
import { Engine, type EngineApi } from '../engine.js';

const DEVICES: readonly Provider[] = ['cpu', 'webgpu', 'cuda'];

/**
 * An engine on onnxruntime-node, in this thread.
 * @param threads threads of one operator; ONNX Runtime's default is one per core
 * @throws DeviceError if the device does not exist in Node or does not work on this machine; names those that do
 */
export async function createEngine(provider: Provider, threads?: number): Promise<EngineApi> {
  if (!DEVICES.includes(provider)) {
    throw new DeviceError(
      `The device '${provider}' does not exist in Node. Devices there: ${DEVICES.join(', ')}.`,
    );
  }
  const engine = await start(provider, threads);
  const reason = await probe(engine);
  if (reason === undefined) return engine;
  throw new DeviceError(
    `The device '${provider}' is not to be had on this machine: ${reason}. The device 'cpu' always is.`,
  );
}

async function start(provider: Provider, threads: number | undefined): Promise<Engine> {
  const ort = await import('onnxruntime-node');
  return new Engine(ort, provider, threads === undefined ? {} : { intraOpNumThreads: threads });
}

/** Runs y = x + x on the device; returns why that failed. */
async function probe(engine: Engine): Promise<string | undefined> {
  const { input } = await import('../../ops/index.js');
  const { lowerToOnnx } = await import('../../onnx/lower.js');
  const x = input('x', [2]);
  const model = lowerToOnnx({ inputs: { x }, outputs: { y: x.add(x) } }, { provider: 'cpu' });
  try {
    const session = await engine.load(model, { next: [] });
    const data = Float32Array.of(1, 2);
    const { outputs } = await engine.run(session, { x: { dtype: 'float32', shape: [2], data } });
    await engine.unload(session);
    return outputs['y']?.data[1] === 4 ? undefined : 'it computes wrong values';
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split('\n')[0];
  }
}

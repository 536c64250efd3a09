import type { EngineApi } from './engine.js';
import { probeModel } from './small-models.js';

/** Computes 1 + 1 and 2 + 2 on an engine's device; returns why that failed, if it did. */
export async function probe(engine: EngineApi): Promise<string | undefined> {
  try {
    const session = await engine.load(probeModel(), { next: [] });
    const data = Float32Array.of(1, 2);
    const { outputs } = await engine.run(session, { x: { dtype: 'float32', shape: [2], data } });
    await engine.unload(session);
    const [y] = Object.values(outputs);
    return y?.data[0] === 2 && y.data[1] === 4 ? undefined : 'it computes wrong values';
  } catch (error) {
    return reasonOf(error);
  }
}

/** The first line of an error's message, without the place in ONNX Runtime's sources and its check. */
export function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.replace(/^.*\.cc:\d+ .* was false\. /, '').replace(/\.$/, '');
}

/** Trains on WebGPU and prints the result as JSON: a process of its own, since native code can abort one. */
import { createRuntime, DeviceError } from '../../src/node.js';
import { plain } from './plain-training.js';
import { tinyTraining } from './tiny-training.js';

try {
  const runtime = await createRuntime('webgpu', { worker: false });
  const training = plain(await tinyTraining(runtime));
  await runtime.close();
  process.stdout.write(JSON.stringify(training));
} catch (error) {
  if (!(error instanceof DeviceError)) throw error;
  process.stdout.write(JSON.stringify({ refused: error.message }));
}

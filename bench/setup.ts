/** One file that every contestant of a workload starts from: the network's values and one batch. */
import { createModel } from '../src/models/registry.js';
import { RandomStream } from '../src/random/index.js';
import { saveTensors } from '../src/formats/node/files.js';
import type { StoredTensor } from '../src/formats/safetensors.js';
import { RECIPE, type Workload } from './workloads.js';

/** Writes state_dict names as they are, `input.images` [B, 3, 32, 32] and `input.labels` [B]. */
export async function writeSetup({ model: id, batch }: Workload, file: string): Promise<void> {
  const model = createModel(id, { classes: RECIPE.classes, seed: 1 });
  const random = new RandomStream(1, 'bench');
  const tensors = new Map<string, StoredTensor>();
  const put = (name: string, shape: readonly number[], data: Float32Array | Int32Array) => {
    if (data instanceof Float32Array) tensors.set(name, { dtype: 'F32', shape, data });
    else tensors.set(name, { dtype: 'I32', shape, data });
  };
  for (const [name, { shape, data }] of model.namedParameters()) put(name, shape, data);
  for (const [name, { shape, data }] of model.namedBuffers()) {
    // Statistics as after some training, so that a mistake with them would show.
    const values = new Float32Array(data.length);
    if (name.endsWith('running_mean')) put(name, shape, random.fillNormal(values, 0, 0.1));
    else if (name.endsWith('running_var')) put(name, shape, random.fillUniform(values, 0.5, 1.5));
    else put(name, shape, data);
  }
  const images = random.fillNormal(new Float32Array(batch * 3 * 32 * 32), 0, 1);
  put('input.images', [batch, 3, 32, 32], images);
  put(
    'input.labels',
    [batch],
    Int32Array.from({ length: batch }, (_, i) => i % RECIPE.classes),
  );
  await saveTensors(file, tensors);
}

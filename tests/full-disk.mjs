/**
 * Preloaded by a test (`node --import`): the second last.safetensors that is written finds no space
 * left, half-way through, as on a full disk.
 */
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const { open } = promises;
let checkpoints = 0;

promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  if (!basename(String(path)).startsWith('.last.safetensors.')) return handle;
  if (++checkpoints < 2) return handle;
  const write = handle.writeFile.bind(handle);
  handle.writeFile = async (content) => {
    await write(content.subarray(0, content.length / 2));
    const error = new Error('ENOSPC: no space left on device, write');
    throw Object.assign(error, { code: 'ENOSPC', syscall: 'write' });
  };
  return handle;
};
syncBuiltinESMExports();

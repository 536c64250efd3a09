/** File formats: safetensors and what torch.save writes. */
export {
  readSafetensors,
  writeSafetensors,
  type Safetensors,
  type StoredTensor,
} from './safetensors.js';
export { isPytorch, readPytorch, type PytorchFile, type ReadOptions } from './pytorch/pytorch.js';

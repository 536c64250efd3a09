/** Weights in any file that Fovea reads. */
import { isPytorch, readPytorch } from './pytorch.js';
import { readSafetensors, type StoredTensor } from './safetensors.js';

/** The weights in a file, and what else it holds. */
export interface WeightsFile {
  readonly format: 'safetensors' | 'pytorch';
  readonly tensors: Map<string, StoredTensor>;
  /** Strings that lie beside the tensors. */
  readonly metadata: Record<string, string>;
  /** Of a PyTorch checkpoint: the part that the weights are; empty: the whole file. */
  readonly part: string;
  /** Of a PyTorch checkpoint: its other parts, in a few words each. */
  readonly leftOut: readonly string[];
}

/**
 * Reads safetensors, and files of torch.save (.pt, .pth), told apart by their first bytes.
 * @param file what errors call it, usually its path
 * @param part of a PyTorch checkpoint, see {@link readPytorch}
 * @throws FileError when the bytes are neither, or damaged
 */
export function readWeightsFile(bytes: Uint8Array, file: string, part?: string): WeightsFile {
  return isPytorch(bytes)
    ? { format: 'pytorch', ...readPytorch(bytes, file, part) }
    : { format: 'safetensors', ...readSafetensors(bytes, file), part: '', leftOut: [] };
}

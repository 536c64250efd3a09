/** From one file of weights to another, as `fovea convert` does it. */
import { FileError } from '../../errors.js';
import { invertNames, renameState, type NameMap } from '../names.js';
import { readWeightsFile, type WeightsFile } from '../read.js';
import { isIntact, UNSEALED } from '../seal.js';
import type { SafetensorsDtype } from '../safetensors.js';
import { readFileChecked, saveTensors } from './files.js';

export interface ConvertOptions {
  /** From the file's names to others. Default: they stay. */
  readonly names?: NameMap;
  /** Whether the map is applied backwards. Default false. */
  readonly reverse?: boolean;
  /** Of a PyTorch checkpoint: the part that the weights are; see `readPytorch`. */
  readonly part?: string;
}

/** What was found, and where it was written. */
export interface Converted extends Omit<WeightsFile, 'tensors'> {
  readonly from: string;
  readonly to: string | undefined;
  /** Under their new names. */
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: SafetensorsDtype;
    readonly shape: readonly number[];
    readonly values: number;
  }[];
}

/**
 * Reads the weights in a safetensors or PyTorch file and writes them as safetensors, whole or not at
 * all, with the strings that lie beside them as metadata.
 * @param to the file to write; undefined: they are only listed
 * @throws FileError for a file that is neither, damaged, or cannot be read or written
 * @throws RequestError if the name map gives two tensors one name
 */
export async function convertWeights(
  from: string,
  to: string | undefined,
  { names = {}, reverse = false, part }: ConvertOptions = {},
): Promise<Converted> {
  const bytes = await readFileChecked(from);
  const { tensors, metadata: found, ...rest } = readWeightsFile(bytes, from, part);
  if (rest.format === 'safetensors' && (await isIntact(bytes)) === false) {
    throw new FileError(`${from} is damaged: it is not what was written. Use an older copy.`);
  }
  const renamed = renameState(tensors, reverse ? invertNames(names) : names);
  // A checksum belongs to one file and not to another.
  const metadata = Object.fromEntries(
    Object.entries(found).filter(([key]) => !Object.hasOwn(UNSEALED, key)),
  );
  if (to !== undefined) await saveTensors(to, renamed, metadata);
  return {
    ...rest,
    from,
    to,
    metadata,
    tensors: [...renamed].map(([name, { dtype, shape, data }]) => ({
      name,
      dtype,
      shape,
      values: data.length,
    })),
  };
}

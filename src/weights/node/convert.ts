/** From one file of weights to another, as `fovea convert` does it. */
import { FileError } from '../../errors.js';
import { elementCount, type SafetensorsDtype } from '../../formats/dtypes.js';
import type { WeightsChoice } from '../load.js';
import { invertNames, renameState, withoutPrefix } from '../names.js';
import { readWeightsFile, type WeightsFile } from '../read.js';
import type { StoredTensor } from '../../formats/safetensors.js';
import { isIntact, UNSEALED } from '../../formats/seal.js';
import { readFileChecked, saveTensors } from '../../formats/node/files.js';

export interface ConvertOptions extends WeightsChoice {
  /** Whether the name map is applied backwards, and the prefix added. Default false. */
  readonly reverse?: boolean;
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
 * @throws RequestError if two tensors would get one name, or none has the prefix
 */
export async function convertWeights(
  from: string,
  to: string | undefined,
  options: ConvertOptions = {},
): Promise<Converted> {
  const bytes = await readFileChecked(from);
  const { tensors, metadata: found, ...rest } = readWeightsFile(bytes, from, options);
  if (rest.format === 'safetensors' && (await isIntact(bytes)) === false) {
    throw new FileError(`${from} is damaged: it is not what was written. Use an older copy.`);
  }
  const renamed = renamedBy(tensors, options);
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
    tensors: [...renamed].map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape,
      values: elementCount(shape),
    })),
  };
}

function renamedBy(
  tensors: ReadonlyMap<string, StoredTensor>,
  { names = {}, prefix, reverse = false }: ConvertOptions,
): Map<string, StoredTensor> {
  if (!reverse) {
    return renameState(prefix === undefined ? tensors : withoutPrefix(tensors, prefix), names);
  }
  const theirs = renameState(tensors, invertNames(names));
  return prefix === undefined ? theirs : renameState(theirs, { '': prefix });
}

/** Reading and unpacking the .tar.gz archives that data sets are published in. */
import { extract, list } from 'tar';
import { FileError } from '../../errors.js';
import { asFileError } from '../../weights/node/files.js';

/** No file of a data set is as large; an archive that claims so is not one of them. */
const LARGEST_MEMBER = 2 ** 30;

/**
 * Reads some files of an archive into memory, in one pass.
 *
 * @param archive path of a .tar.gz or .tar file
 * @param wanted `folder/name` as in the archive
 * @returns those that the archive has
 * @throws FileError when the archive is missing, truncated or corrupt
 */
export async function readMembers(
  archive: string,
  wanted: ReadonlySet<string>,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const tooLarge: string[] = [];
  try {
    await list({
      file: archive,
      strict: true,
      onReadEntry: (entry) => {
        const name = entry.path.replace(/^\.\//, '');
        if (!wanted.has(name)) return;
        if (entry.size > LARGEST_MEMBER) {
          tooLarge.push(name);
          return;
        }
        const content = new Uint8Array(entry.size);
        let at = 0;
        entry.on('data', (chunk) => {
          content.set(chunk, at);
          at += chunk.length;
        });
        entry.on('end', () => found.set(name, content));
      },
    });
  } catch (error) {
    throw damaged(error, archive);
  }
  if (tooLarge.length > 0) {
    throw new FileError(
      `${archive}: ${tooLarge.join(', ')} is larger than a data set's files are.`,
    );
  }
  return found;
}

/**
 * Unpacks one folder of an archive.
 *
 * @param archive path of a .tar.gz or .tar file
 * @param folder the folder in the archive
 * @param into an existing folder, in which it is made
 * @throws FileError when the archive is corrupt or the files cannot be written
 */
export async function unpackFolder(archive: string, folder: string, into: string): Promise<void> {
  try {
    await extract({
      file: archive,
      cwd: into,
      strict: true,
      filter: (path, entry) =>
        path.replace(/^\.\//, '').startsWith(`${folder}/`) &&
        'type' in entry &&
        entry.type === 'File',
    });
  } catch (error) {
    throw damaged(error, archive, into);
  }
}

function damaged(error: unknown, archive: string, into?: string): unknown {
  if (error instanceof Error && 'syscall' in error) {
    return into === undefined || ('path' in error && error.path === archive)
      ? asFileError(error, 'read', archive)
      : asFileError(error, 'unpack into', into);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new FileError(
    `${archive}: expected a whole .tar.gz archive, but it is truncated or corrupt (${reason}). ` +
      'Delete it and download it again.',
    { cause: error },
  );
}

/** Predicted masks as files: a palette PNG for each picture, of the picture's own size. */
import { writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { resizeMask } from '../../data/resize.js';
import { RequestError } from '../../errors.js';
import { asFileError, makeFolder } from '../../formats/node/files.js';
import { readPictureFile, uprightReading } from '../../formats/node/pictures/decode.js';
import { pictureHeader } from '../../formats/node/pictures/picture-file.js';
import { writePalettePng } from '../../formats/node/pictures/write-palette.js';
import { CLASS_COLORS } from '../class-colors.js';
import type { Mask } from '../predicted.js';

/** Where the masks of some pictures go. */
export class MaskFiles {
  private constructor(
    private readonly pictures: readonly string[],
    private readonly paths: readonly string[],
  ) {}

  /**
   * Makes the folder. A mask is called as its picture, and as `NAME-2.png` where that name is taken already by
   * a picture of another folder or kind.
   * @throws RequestError if a mask would replace one of the pictures
   */
  static async in(folder: string, pictures: readonly string[]): Promise<MaskFiles> {
    // Some file systems take capital letters for small ones.
    const taken = new Set<string>();
    const paths = pictures.map((picture) => {
      const name = basename(picture, extname(picture));
      let free = name;
      for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${name}-${n}`;
      taken.add(free.toLowerCase());
      return join(folder, `${free}.png`);
    });
    const sources = new Set(pictures.map((picture) => resolve(picture)));
    const clash = paths.find((path) => sources.has(resolve(path)));
    if (clash !== undefined) {
      throw new RequestError(
        `The mask ${clash} would replace the picture of that name. Choose another folder for the masks.`,
      );
    }
    await makeFolder(folder);
    return new MaskFiles(pictures, paths);
  }

  /**
   * Writes the mask of a picture, brought to its size: each pixel has the class of the nearest place.
   * @returns the path of the file
   */
  async write(index: number, mask: Mask): Promise<string> {
    const picture = this.pictures[index] ?? '';
    const path = this.paths[index] ?? '';
    const header = pictureHeader(await readPictureFile(picture), picture);
    const { width, height } = uprightReading(header, header.orientation);
    const data = resizeMask(mask.data, mask, { height, width });
    try {
      await writeFile(path, writePalettePng({ height, width, data }, CLASS_COLORS));
    } catch (error) {
      throw asFileError(error, 'write', path);
    }
    return path;
  }
}

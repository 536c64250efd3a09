/** What all data sets of picture files can be told. */
import { RequestError } from '../../errors.js';
import type { Channels } from '../../formats/node/pictures/decode.js';
import type { Normalization } from '../dataset.js';

/** How far a data set has been looked through. */
export interface ScanProgress {
  /** Pictures. */
  readonly done: number;
  readonly total: number;
}

/** Options of `imageFolder`, `imageList` and `segmentationFolder`. */
export interface FileOptions {
  /** Of every image in a batch, in pixels: of both sides, or [height, width]. */
  readonly size: number | readonly [height: number, width: number];
  /** 1: grey. 3: red, green and blue. 4: and opacity. Default 3. */
  readonly channels?: Channels;
  /** The share of the pictures that are kept for validation where the files do not say which. Default 0.2. */
  readonly validation?: number;
  /** Which pictures those are. Default 0. */
  readonly seed?: number;
  /** Leaves out broken pictures, in place of stopping at them. Default false. */
  readonly skipBroken?: boolean;
  /** Default: mean and deviation of the training pictures. */
  readonly normalization?: Normalization;
  /** In messages, and in the run folder. Default: the folder's name. */
  readonly name?: string;
  /**
   * Threads that read pictures; 0: this thread does it. Default: one per core, at most 4. Where the
   * compiled thread is not at hand, as in TypeScript sources or a bundled program, the default is 0.
   */
  readonly workers?: number;
  /** A folder that keeps what was found out about the pictures, or false. Default: `.fovea` beside them. */
  readonly cache?: string | false;
  /** Told while the pictures are looked through, which happens once. */
  readonly onProgress?: (progress: ScanProgress) => void;
}

/** The options, with defaults, and checked. */
export interface CheckedOptions extends FileOptions {
  readonly height: number;
  readonly width: number;
  readonly channels: Channels;
  readonly validation: number;
  readonly seed: number;
  readonly skipBroken: boolean;
}

/** Larger sides are no input of a network on this kind of machine. */
const LARGEST_SIDE = 8192;

/** @throws RequestError naming the option that cannot be, and what it can be */
export function checkedOptions(options: FileOptions): CheckedOptions {
  const { size, channels = 3, validation = 0.2, seed = 0, skipBroken = false } = options;
  const [height, width] = typeof size === 'object' ? size : [size, size];
  for (const side of [height, width]) {
    if (!Number.isInteger(side) || side < 1 || side > LARGEST_SIDE) {
      throw new RequestError(
        `The size of the images is ${String(size)}; expected a whole number of pixels from 1 to ${LARGEST_SIDE}, or [height, width].`,
      );
    }
  }
  if (![1, 3, 4].includes(channels)) {
    throw new RequestError(
      `channels is ${String(channels)}; expected 1 (grey), 3 (red, green, blue) or 4 (and opacity).`,
    );
  }
  if (!(validation > 0 && validation < 1)) {
    throw new RequestError(
      `validation is ${validation}; expected the share of the pictures that are kept for validation, between 0 and 1.`,
    );
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RequestError(`seed is ${seed}; expected a whole number of at least 0.`);
  }
  return { ...options, height, width, channels, validation, seed, skipBroken };
}

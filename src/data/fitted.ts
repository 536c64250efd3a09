/** Bringing a picture of any size and kind to the size and channels that a data set's batches have. */
import { RequestError, ShapeError } from '../errors.js';
import type { Frame, Picture } from './augmentation.js';
import type { Pixels } from './dataset.js';
import { resizeMask, resizePixels } from './resize.js';

/**
 * A picture with its mask at the size of a frame, and with that many channels. The whole picture is
 * resized, whatever its proportions, so that all of it is seen and a map of the frame lies over all of it.
 * @param frame rows, columns and channels that are wanted
 * @returns the same picture if there is nothing to do
 * @throws RequestError for a mask of another size than its picture
 * @throws ShapeError for numbers of channels that say nothing about colours
 */
export function fitted(picture: Picture, frame: Frame & { readonly channels: number }): Picture {
  const { channels, height, width } = frame;
  const { image, mask } = picture;
  if (image.channels === channels && image.height === height && image.width === width) {
    return picture;
  }
  checkMask(picture);
  // Grey becomes coloured last and colour becomes grey first: there is less to resize, and the bytes are the same.
  const fewer = image.channels > channels ? withChannels(image, channels) : image;
  const sized = withChannels(resizePixels(fewer, height, width), channels);
  return { image: sized, ...(mask && { mask: resizeMask(mask, image, frame) }) };
}

/** @throws RequestError for a mask of another size than its picture */
export function checkMask({ image, mask }: Picture): void {
  if (mask === undefined || mask.length === image.height * image.width) return;
  throw new RequestError(
    `A mask of ${mask.length} pixels does not fit its picture of ${image.height} x ${image.width}. Give one value for every pixel.`,
  );
}

/**
 * The pixels with another number of channels: 1 is grey, 2 grey and transparency, 3 red, green and blue,
 * 4 those and transparency. Grey is Pillow's, (299 R + 587 G + 114 B) / 1000; transparency is dropped where
 * it is not wanted, and whole (255) where it is.
 * @throws ShapeError for other numbers
 */
export function withChannels(image: Pixels, channels: number): Pixels {
  if (image.channels === channels) return image;
  if (!isKind(image.channels) || !isKind(channels)) {
    throw new ShapeError(
      `An image of ${image.channels} channels cannot become one of ${channels}: only 1 (grey), 2 (grey, alpha), 3 (RGB) and 4 (RGBA) can be converted.`,
    );
  }
  const { height, width, data } = image;
  const plane = height * width;
  const colors = channels < 3 ? 1 : 3;
  const out = new Uint8Array(channels * plane);
  if (image.channels >= 3 && colors === 1) {
    greyInto(image, out.subarray(0, plane));
  } else {
    for (let color = 0; color < colors; color++) {
      const from = image.channels < 3 ? 0 : color * plane;
      out.set(data.subarray(from, from + plane), color * plane);
    }
  }
  if (channels % 2 === 0) {
    if (image.channels % 2 === 0) out.set(data.subarray(-plane), colors * plane);
    else out.fill(255, colors * plane);
  }
  return { channels, height, width, data: out };
}

/**
 * The grey of coloured pixels, as Pillow's conversion to 'L': whole numbers, of 16 bits after the point.
 * @param image of 3 channels or more; the first three count
 * @param out [H, W]
 */
export function greyInto({ data, height, width }: Pixels, out: Uint8Array): void {
  const plane = height * width;
  for (let at = 0; at < plane; at++) {
    const red = data[at] ?? 0;
    const green = data[plane + at] ?? 0;
    const blue = data[2 * plane + at] ?? 0;
    out[at] = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;
  }
}

function isKind(channels: number): boolean {
  return channels >= 1 && channels <= 4;
}

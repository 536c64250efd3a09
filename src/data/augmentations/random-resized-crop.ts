import type { RandomStream } from '../../random/index.js';
import { defineAugmentation, type Frame, type Picture } from '../augmentation.js';
import { checkMask } from '../fitted.js';
import { resizeMask, resizePixels } from '../resize.js';
import { between, betweenRatios, roundEven } from './drawing.js';
import { range, shares } from './schemas.js';

/** A piece of a picture, in pixels. */
export interface Piece extends Frame {
  readonly top: number;
  readonly left: number;
}

/** Pieces are drawn until one fits, so many times. */
const TRIES = 10;

/**
 * Cuts a piece of any size, proportions and place out of the original picture, and resizes it: torchvision's
 * RandomResizedCrop, on Pillow's pictures. Szegedy et al., Going Deeper with Convolutions, CVPR 2015. Masks
 * are cut alike and resized by nearest pixels. It must be the first of a list.
 */
export const randomResizedCrop = defineAugmentation({
  id: 'randomResizedCrop',
  options: {
    scale: shares.default([0.08, 1]).describe("The piece's share of the picture's area."),
    ratio: range
      .default([3 / 4, 4 / 3])
      .describe("The piece's width by its height, drawn evenly on a logarithmic scale."),
  },
  resizes: true,
  create: ({ scale, ratio }) => ({
    apply: (picture, random, target) =>
      resizedCrop(picture, drawPiece(picture.image, scale, ratio, random), target),
  }),
});

/**
 * A piece of a picture and its mask, at the size of a frame.
 * @param piece inside the picture
 * @throws RequestError for a mask of another size than its picture
 */
export function resizedCrop(picture: Picture, piece: Piece, frame: Frame): Picture {
  checkMask(picture);
  const { image, mask } = picture;
  const { height, width } = piece;
  const part = { channels: image.channels, height, width, data: cut(image.data, image, piece) };
  return {
    image: resizePixels(part, frame.height, frame.width),
    ...(mask && { mask: resizeMask(cut(mask, image, piece), piece, frame) }),
  };
}

/**
 * Draws a piece of a picture; if none of those drawn fits, the largest in the middle whose proportions are
 * allowed.
 * @param scale least and most share of the area
 * @param ratio least and most width by height
 */
export function drawPiece(
  { height, width }: Frame,
  scale: readonly number[],
  ratio: readonly number[],
  random: RandomStream,
): Piece {
  for (let tries = 0; tries < TRIES; tries++) {
    const area = height * width * between(random, scale);
    const proportion = betweenRatios(random, ratio);
    const columns = roundEven(Math.sqrt(area * proportion));
    const rows = roundEven(Math.sqrt(area / proportion));
    if (columns > 0 && columns <= width && rows > 0 && rows <= height) {
      const top = random.integer(height - rows + 1);
      return { top, left: random.integer(width - columns + 1), height: rows, width: columns };
    }
  }
  const [least = 1, most = 1] = ratio;
  const rows = Math.max(1, width / height < least ? roundEven(width / least) : height);
  const columns = Math.max(1, width / height > most ? roundEven(height * most) : width);
  const top = Math.floor((height - rows) / 2);
  return { top, left: Math.floor((width - columns) / 2), height: rows, width: columns };
}

/** @param planes [N, H, W] of the frame */
function cut(planes: Uint8Array, frame: Frame, { top, left, height, width }: Piece): Uint8Array {
  const plane = frame.height * frame.width;
  const out = new Uint8Array((planes.length / plane) * height * width);
  for (let start = 0, at = 0; start < planes.length; start += plane) {
    for (let y = top; y < top + height; y++, at += width) {
      const from = start + y * frame.width + left;
      out.set(planes.subarray(from, from + width), at);
    }
  }
  return out;
}

import type { Pixels } from '../dataset.js';

/**
 * Turns all hues by a share of the colour circle, as torchvision does on Pillow's pictures: hue, saturation
 * and value are bytes, of which only the first is changed. A grey image stays as it is.
 * @param turn -0.5 to 0.5
 */
export function hue(image: Pixels, turn: number): Pixels {
  if (image.channels < 3) return image;
  const shift = Math.trunc(turn * 255);
  const data = image.data.slice();
  const plane = image.height * image.width;
  for (let at = 0; at < plane; at++) {
    const red = data[at] ?? 0;
    const green = data[plane + at] ?? 0;
    const blue = data[2 * plane + at] ?? 0;
    const value = Math.max(red, green, blue);
    const range = value - Math.min(red, green, blue);
    // A grey has no hue.
    if (range === 0) continue;
    const angle = (hueByte(red, green, blue, value, range) + shift) & 255;
    const strength = Math.fround(Math.trunc(Math.fround(range / value) * 255) / 255);
    const sixth = Math.floor((angle * 6) / 255);
    const part = Math.fround((angle * 6) / 255 - sixth);
    const least = Math.round(value * (1 - strength));
    const falling = Math.round(value * (1 - Math.fround(strength * part)));
    const rising = Math.round(value * (1 - Math.fround(strength * (1 - part))));
    const sector = sixth % 6;
    // Of the circle's six parts each has one colour whole, one least, and one that falls or rises.
    data[at] =
      sector === 0 || sector === 5 ? value : sector === 1 ? falling : sector === 4 ? rising : least;
    data[plane + at] =
      sector === 1 || sector === 2 ? value : sector === 3 ? falling : sector === 0 ? rising : least;
    data[2 * plane + at] =
      sector === 3 || sector === 4 ? value : sector === 5 ? falling : sector === 2 ? rising : least;
  }
  return { ...image, data };
}

/** Where on the colour circle, 0 to 255, in Pillow's 32 bits. */
function hueByte(red: number, green: number, blue: number, value: number, range: number): number {
  const fromRed = Math.fround((value - red) / range);
  const fromGreen = Math.fround((value - green) / range);
  const fromBlue = Math.fround((value - blue) / range);
  const sixths = Math.fround(
    red === value
      ? fromBlue - fromGreen
      : green === value
        ? 2 + fromRed - fromBlue
        : 4 + fromGreen - fromRed,
  );
  const turn = sixths / 6;
  // A whole turn is added to all and taken off again, since that rounds as Pillow's remainder does.
  return Math.trunc(Math.fround(turn < 0 ? turn + 1 : turn + 1 - 1) * 255);
}

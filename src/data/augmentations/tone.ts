/** Changes of tone as Pillow's ImageOps makes them, and its sharpness: what RandAugment is made of besides colours and places. */
import type { Pixels } from '../dataset.js';
import { blend, colorPlanes, mapped, mappedEach } from './color.js';

/** Keeps the highest bits of every byte. @param bits 0 to 8 */
export function posterize(image: Pixels, bits: number): Pixels {
  const kept = 256 - 2 ** (8 - bits);
  return mapped(
    image,
    Uint8Array.from({ length: 256 }, (_, byte) => byte & kept),
  );
}

/** Turns bytes from a threshold on into their negative. */
export function solarize(image: Pixels, threshold: number): Pixels {
  return mapped(
    image,
    Uint8Array.from({ length: 256 }, (_, byte) => (byte < threshold ? byte : 255 - byte)),
  );
}

/** Stretches each colour from its least and most byte to 0 .. 255. */
export function autoContrast(image: Pixels): Pixels {
  return mappedEach(image, (counts) => {
    const low = counts.findIndex((count) => count > 0);
    const high = counts.findLastIndex((count) => count > 0);
    const scale = high > low ? 255 / (high - low) : 1;
    const offset = high > low ? -low * scale : 0;
    return Uint8Array.from({ length: 256 }, (_, byte) =>
      Math.max(0, Math.min(255, Math.trunc(byte * scale + offset))),
    );
  });
}

/** Makes all bytes of a colour about equally frequent. */
export function equalize(image: Pixels): Pixels {
  return mappedEach(image, (counts) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const most = counts[counts.findLastIndex((count) => count > 0)] ?? 0;
    // The pixels that each of the 255 steps has; the last byte's do not count, as in Pillow.
    const step = Math.floor((total - most) / 255);
    if (step === 0) return Uint8Array.from({ length: 256 }, (_, byte) => byte);
    let below = Math.floor(step / 2);
    return Uint8Array.from(counts, (count) => {
      const byte = Math.min(255, Math.floor(below / step));
      below += count;
      return byte;
    });
  });
}

/** Between the image smoothed (factor 0) and the image (1), or sharper (above 1). Its outermost pixels are not smoothed. */
export function sharpness(image: Pixels, factor: number): Pixels {
  const { width, height } = image;
  const { data } = image;
  const out = data.slice();
  const rounded = Math.fround(factor);
  for (let color = 0; color < colorPlanes(image); color++) {
    for (let y = 1; y < height - 1; y++) {
      const row = (color * height + y) * width;
      for (let at = row + 1; at < row + width - 1; at++) {
        let sum = 4 * (data[at] ?? 0);
        for (let line = at - width; line <= at + width; line += width) {
          sum += (data[line - 1] ?? 0) + (data[line] ?? 0) + (data[line + 1] ?? 0);
        }
        // The middle weighs 5, its neighbours 1 each: 13 in all.
        const smooth = Math.floor((2 * sum + 13) / 26);
        out[at] = blend(smooth, data[at] ?? 0, rounded);
      }
    }
  }
  return { ...image, data: out };
}

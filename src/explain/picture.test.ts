import { describe, expect, it } from 'vitest';
import { inferno } from './inferno.js';
import { enlargeImage, markCell, overlay, type Picture } from './picture.js';

/** Red, white; black, a grey. */
const image = {
  channels: 3,
  height: 2,
  width: 2,
  data: Uint8Array.from([255, 255, 0, 100, 0, 255, 0, 100, 0, 255, 0, 100]),
};

const pixel = ({ pixels, width }: Picture, x: number, y: number) =>
  Array.from(pixels.subarray(4 * (y * width + x), 4 * (y * width + x) + 4));

describe('inferno', () => {
  it("has matplotlib's colours at its ends and in its middle", () => {
    // matplotlib: _cm_listed.py, _inferno_data[0], [128] and [255], times 255.
    expect(inferno(0)).toEqual([0, 0, 4]);
    expect(inferno(0.5)).toEqual([188, 55, 84]);
    expect(inferno(1)).toEqual([252, 255, 164]);
    expect([inferno(-1), inferno(2)]).toEqual([inferno(0), inferno(1)]);
  });

  it('grows brighter all the way', () => {
    const luma = Array.from({ length: 256 }, (_, i) => {
      const [red, green, blue] = inferno(i / 255);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    });
    expect(luma.every((value, i) => i === 0 || value > (luma[i - 1] ?? 0) - 1)).toBe(true);
  });
});

describe('enlargeImage', () => {
  it('keeps pixels as squares', () => {
    const picture = enlargeImage(image, 6);
    expect([picture.width, picture.height]).toEqual([6, 6]);
    for (const [x, y] of [
      [0, 0],
      [2, 2],
    ] as const) {
      expect(pixel(picture, x, y)).toEqual([255, 0, 0, 255]);
    }
    expect(pixel(picture, 3, 0)).toEqual([255, 255, 255, 255]);
    expect(pixel(picture, 2, 3)).toEqual([0, 0, 0, 255]);
    expect(pixel(picture, 5, 5)).toEqual([100, 100, 100, 255]);
  });

  it('leaves an image alone that is large enough, and shows one channel as grey', () => {
    const grey = { channels: 1, height: 1, width: 2, data: Uint8Array.of(7, 9) };
    expect(Array.from(enlargeImage(grey, 2).pixels)).toEqual([7, 7, 7, 255, 9, 9, 9, 255]);
  });
});

describe('overlay', () => {
  it('goes from the darkest colour at the smallest value to the brightest at the largest', () => {
    const map = { height: 2, width: 2, data: [3, 3, -1, 1] };
    const laid = overlay(enlargeImage(image, 2), map);
    const mixed = (value: number, grey: number) => [
      ...inferno(value).map((part) => Math.round(0.65 * part + 0.35 * grey)),
      255,
    ];
    expect(pixel(laid, 0, 0)).toEqual(mixed(1, 0.299 * 255));
    expect(pixel(laid, 1, 0)).toEqual(mixed(1, 255));
    expect(pixel(laid, 0, 1)).toEqual(mixed(0, 0));
    expect(pixel(laid, 1, 1)).toEqual(mixed(0.5, 100));
  });

  it('draws an even map evenly', () => {
    const black = enlargeImage({ ...image, data: new Uint8Array(12) }, 8);
    const { pixels } = overlay(black, { height: 3, width: 1, data: [0.3, 0.3, 0.3] });
    expect(new Set(Array.from(pixels.filter((_, i) => i % 4 === 0)))).toEqual(new Set([0]));
  });
});

describe('markCell', () => {
  it('frames the pixels of the cell, and no others', () => {
    const black = enlargeImage({ ...image, data: new Uint8Array(12).fill(50) }, 32);
    const cell = { row: 1, column: 2, height: 4, width: 4 };
    const marked = markCell(black, cell);
    // The cell is 8 x 8 pixels from (16, 8): a dark line, then a white one, then the picture.
    expect(pixel(marked, 16, 8)).toEqual([0, 0, 0, 255]);
    expect(pixel(marked, 23, 15)).toEqual([0, 0, 0, 255]);
    expect(pixel(marked, 17, 12)).toEqual([255, 255, 255, 255]);
    expect(pixel(marked, 19, 12)).toEqual([50, 50, 50, 255]);
    expect(pixel(marked, 24, 12)).toEqual([50, 50, 50, 255]);
    const changed = marked.pixels.filter((value, i) => i % 4 === 0 && value !== 50).length;
    expect(changed).toBe(28 + 20);
    expect(pixel(black, 16, 8)).toEqual([50, 50, 50, 255]);
  });

  it('makes the frame of a tiny cell in the corner large enough to be seen', () => {
    const black = enlargeImage({ ...image, data: new Uint8Array(12).fill(50) }, 32);
    const marked = markCell(black, { row: 31, column: 31, height: 32, width: 32 });
    expect(pixel(marked, 31, 31)).toEqual([0, 0, 0, 255]);
    expect(pixel(marked, 30, 30)).toEqual([255, 255, 255, 255]);
  });
});

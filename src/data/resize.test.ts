import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.js';
import { jsonFixture } from '../testing/golden-files.js';
import type { Pixels } from './dataset.js';
import { fitted, withChannels } from './fitted.js';
import { resizeMask, resizePixels } from './resize.js';

interface Stored {
  readonly base64?: string;
  readonly sha256?: string;
}

interface Resized {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly output: Stored;
}

const fixture = jsonFixture('augmentation/resized') as {
  resized: (Resized & { channels: number })[];
  masks: Resized[];
  converted: { channels: number; to: number; output: Stored }[];
};

/** The pictures that the fixture's script makes. */
function formula(channels: number, height: number, width: number): Pixels {
  const data = Uint8Array.from(
    { length: channels * height * width },
    (_, at) => (at * at * 31 + at * 7 + (at >> 3) * 13) & 255,
  );
  return { channels, height, width, data };
}

function expectBytes(data: Uint8Array, { base64, sha256 }: Stored): void {
  if (base64 !== undefined) expect(Buffer.from(data).toString('base64')).toBe(base64);
  else expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
}

describe('resizePixels', () => {
  it.each(fixture.resized)(
    "gives Pillow's bytes: $channels channels, $from to $to",
    ({ channels, from, to, output }) => {
      const picture = formula(channels, ...from);
      const { data, ...sizes } = resizePixels(picture, ...to);
      expect(sizes).toEqual({ channels, height: to[0], width: to[1] });
      expectBytes(data, output);
      expect(picture).toEqual(formula(channels, ...from));
    },
  );

  it('gives the same bytes however many other sizes were asked for in between', () => {
    const picture = formula(1, 20, 20);
    const before = resizePixels(picture, 7, 9);
    for (let side = 1; side < 400; side++) resizePixels(formula(1, 1, side), 1, side + 1);
    expect(resizePixels(picture, 7, 9)).toEqual(before);
  });
});

describe('resizeMask', () => {
  it.each(fixture.masks)("takes Pillow's nearest pixels: $from to $to", ({ from, to, output }) => {
    const [frame, wanted] = [from, to].map(([height, width]) => ({ height, width }));
    expectBytes(resizeMask(formula(1, ...from).data, frame!, wanted!), output);
  });
});

describe('withChannels', () => {
  it.each(fixture.converted)(
    'converts as Pillow does: $channels to $to',
    ({ channels, to, output }) => {
      expectBytes(withChannels(formula(channels, 20, 21), to).data, output);
    },
  );

  it('refuses numbers of channels that say nothing about colours', () => {
    expect(() => withChannels(formula(5, 2, 2), 3)).toThrow(ShapeError);
    expect(() => withChannels(formula(3, 2, 2), 8)).toThrow('An image of 3 channels cannot become');
  });
});

describe('fitted', () => {
  it('gives back a picture that fits as it is', () => {
    const picture = { image: formula(3, 4, 5) };
    expect(fitted(picture, { channels: 3, height: 4, width: 5 })).toBe(picture);
  });

  it.each([
    [1, 3],
    [3, 1],
    [4, 3],
    [2, 3],
    [3, 4],
    [4, 1],
  ])('converts, then resizes the whole picture: %i to %i channels', (from, channels) => {
    const image = formula(from, 20, 30);
    const expected = resizePixels(withChannels(image, channels), 8, 9);
    expect(fitted({ image }, { channels, height: 8, width: 9 })).toEqual({ image: expected });
  });

  it('resizes a mask with its picture, without new values', () => {
    const mask = Uint8Array.from({ length: 600 }, (_, at) => (at % 30 < 15 ? 3 : 255));
    const picture = fitted(
      { image: formula(3, 20, 30), mask },
      { channels: 3, height: 7, width: 10 },
    );
    expect(picture.mask).toEqual(
      Uint8Array.from({ length: 70 }, (_, at) => (at % 10 < 5 ? 3 : 255)),
    );
  });

  it('refuses a mask of another size than its picture', () => {
    expect(() =>
      fitted(
        { image: formula(3, 4, 4), mask: new Uint8Array(9) },
        { channels: 3, height: 2, width: 2 },
      ),
    ).toThrow('A mask of 9 pixels does not fit its picture of 4 x 4');
  });
});

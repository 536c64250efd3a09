import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../random/index.js';
import { jsonFixture } from '../../testing/golden-files.js';
import type { Picture } from '../augmentation.js';
import { IGNORED, type Pixels } from '../dataset.js';
import { colorJitter, randomGrayscale } from './color-jitter.js';
import { brightness, contrast, grey, saturation } from './color.js';
import { blurred, gaussianBlur } from './gaussian-blur.js';
import { hue } from './hue.js';
import { OPERATIONS, randAugment } from './rand-augment.js';
import { randomErasing } from './random-erasing.js';
import { drawPiece, randomResizedCrop, resizedCrop, type Piece } from './random-resized-crop.js';
import { autoContrast, equalize, posterize, sharpness, solarize } from './tone.js';

/** torchvision's numbers on Pillow's pictures: tests/fixtures/augmentation/make-augmented.py. */
const fixture = jsonFixture('augmentation/augmented') as {
  pictures: Record<string, { channels: number; height: number; width: number; data: string }>;
  singles: { picture: string; operation: string; factor: number; output: string }[];
  blurs: { picture: string; radius: number; sigma: number; output: string }[];
  operations: {
    operation: string;
    magnitude: number;
    sign: number;
    output: string;
    mask?: string;
  }[];
  magnitudes: { height: number; width: number; strengths: Record<string, number[]> }[];
  crops: { piece: Piece; size: [number, number]; output: string }[];
  fallbacks: { height: number; width: number; ratio: number[]; piece: Piece }[];
};

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));

function named(name: string): Pixels {
  const picture = fixture.pictures[name]!;
  return { ...picture, data: bytesOf(picture.data) };
}

const changes: Record<string, (image: Pixels, factor: number) => Pixels> = {
  brightness,
  contrast,
  saturation,
  hue,
  sharpness,
  posterize,
  solarize,
  autoContrast,
  equalize,
  grey,
};

describe('changes of colour and tone', () => {
  it.each(fixture.singles)(
    "$operation by $factor gives torchvision's bytes of the picture '$picture'",
    ({ picture, operation, factor, output }) => {
      const image = named(picture);
      expect(changes[operation]!(image, factor).data).toEqual(bytesOf(output));
      expect(image).toEqual(named(picture));
    },
  );

  it('leave transparency as it is', () => {
    const color = named('noise');
    const plane = color.height * color.width;
    const alpha = Uint8Array.from({ length: plane }, (_, at) => at & 255);
    const data = new Uint8Array([...color.data, ...alpha]);
    for (const [name, change] of Object.entries(changes)) {
      const factor = name === 'hue' ? 0.3 : name === 'posterize' ? 3 : 0.4;
      const seen = change({ ...color, channels: 4, data }, factor).data;
      expect(seen.subarray(0, 3 * plane)).toEqual(change(color, factor).data);
      expect(seen.subarray(3 * plane)).toEqual(alpha);
    }
  });
});

describe('gaussianBlur', () => {
  it.each(fixture.blurs)(
    "gives torchvision's pixels, to a rounding: '$picture', radius $radius, sigma $sigma",
    ({ picture, radius, sigma, output }) => {
      const { data } = blurred(named(picture), radius, sigma);
      const expected = bytesOf(output);
      const differences = data.map((byte, at) => Math.abs(byte - (expected[at] ?? NaN)));
      expect(Math.max(...differences)).toBeLessThanOrEqual(1);
      expect(differences.filter((one) => one > 0).length).toBeLessThan(data.length / 100);
    },
  );

  it('happens half of the time by default', () => {
    const image = named('noise');
    const happened = countOf(1000, (random) => {
      const seen = gaussianBlur({ sigma: [1, 2] }).apply?.({ image }, random, image);
      return seen?.image !== image;
    });
    expect(Math.abs(happened - 500)).toBeLessThan(4 * Math.sqrt(250));
  });
});

describe('randAugment', () => {
  const pictures: Picture = { image: named('faint'), mask: named('grey').data };

  it.each(fixture.operations)(
    "$operation at $magnitude, sign $sign, gives torchvision's bytes",
    ({ operation, magnitude, sign, output, mask }) => {
      const { strength, apply } = OPERATIONS[operation]!;
      const seen = apply(pictures, sign * strength(magnitude, pictures.image));
      expect(seen.image.data).toEqual(bytesOf(output));
      expect(seen.mask).toEqual(mask === undefined ? pictures.mask : bytesOf(mask));
    },
  );

  it.each(fixture.magnitudes)(
    "has torchvision's strengths at $height x $width",
    ({ height, width, strengths }) => {
      for (const [name, expected] of Object.entries(strengths)) {
        const { strength } = OPERATIONS[name]!;
        const seen = expected.map((_, magnitude) => strength(magnitude, { height, width }));
        expect(seen).toEqual(expected);
      }
    },
  );

  it('draws every operation about as often', () => {
    // Noise that does not reach from 0 to 255, so that no two operations give the same.
    const noise = new RandomStream(1, 'noise');
    const data = Uint8Array.from({ length: 1800 }, () => 20 + noise.integer(120));
    const image = { channels: 3, height: 20, width: 30, data };
    const outcomes = new Map<string, number>();
    for (let index = 0; index < 5600; index++) {
      const random = new RandomStream(0, 'augment', 0, index);
      const seen = randAugment({ ops: 1, magnitude: 20 }).apply?.({ image }, random, image);
      const bytes = seen?.image.data.join() ?? '';
      outcomes.set(bytes, (outcomes.get(bytes) ?? 0) + 1);
    }
    // Nine signed operations give two outcomes each, of 200; five others one, of 400.
    const counts = [...outcomes.values()].sort((a, b) => a - b);
    expect(counts).toHaveLength(23);
    counts.slice(0, 18).forEach((count) => expect(Math.abs(count - 200)).toBeLessThan(60));
    counts.slice(18).forEach((count) => expect(Math.abs(count - 400)).toBeLessThan(85));
  });
});

describe('randomResizedCrop', () => {
  it.each(fixture.crops)(
    'cuts and resizes as torchvision: $piece to $size',
    ({ piece, size, output }) => {
      const [height, width] = size;
      const seen = resizedCrop({ image: named('noise') }, piece, { height, width });
      expect(seen.image).toEqual({ channels: 3, height, width, data: bytesOf(output) });
    },
  );

  it.each(fixture.fallbacks)(
    'takes the piece that torchvision takes when none fits: $height x $width, $ratio',
    ({ height, width, ratio, piece }) => {
      for (let index = 0; index < 5; index++) {
        const random = new RandomStream(0, 'augment', 0, index);
        expect(drawPiece({ height, width }, [1, 1], ratio, random)).toEqual(piece);
      }
    },
  );

  it('draws area evenly, proportions evenly by their logarithm, and places over the whole picture', () => {
    const [height, width, count] = [400, 600, 4000];
    let [area, logarithm, wide, up, left] = [0, 0, 0, 0, 0];
    for (let index = 0; index < count; index++) {
      const random = new RandomStream(0, 'augment', 0, index);
      const piece = drawPiece({ height, width }, [0.1, 0.3], [0.5, 2], random);
      const share = (piece.height * piece.width) / (height * width);
      const proportion = piece.width / piece.height;
      expect(share).toBeGreaterThan(0.098);
      expect(share).toBeLessThan(0.303);
      area += share / count;
      logarithm += Math.log(proportion) / count;
      wide += (proportion > Math.SQRT2 ? 1 : 0) / count;
      up += piece.top / (height - piece.height) / count;
      left += piece.left / (width - piece.width) / count;
    }
    // Four standard errors of each mean.
    expect(Math.abs(area - 0.2)).toBeLessThan(4 * (0.2 / Math.sqrt(12 * count)));
    expect(Math.abs(logarithm)).toBeLessThan(4 * (Math.log(4) / Math.sqrt(12 * count)));
    expect(Math.abs(wide - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / count));
    expect(Math.abs(up - 0.5)).toBeLessThan(4 / Math.sqrt(12 * count));
    expect(Math.abs(left - 0.5)).toBeLessThan(4 / Math.sqrt(12 * count));
  });

  it('refuses a mask of another size than its picture', () => {
    const image = { channels: 1, height: 3, width: 3, data: new Uint8Array(9) };
    const piece = { top: 0, left: 0, height: 2, width: 2 };
    expect(() => resizedCrop({ image, mask: new Uint8Array(8) }, piece, image)).toThrow(
      'A mask of 8 pixels does not fit its picture of 3 x 3',
    );
  });

  it('brings an original of any size to the frame, its mask too', () => {
    const image = { channels: 1, height: 50, width: 30, data: new Uint8Array(1500).fill(9) };
    const mask = new Uint8Array(1500).fill(2);
    const random = new RandomStream(0, 'augment', 0, 0);
    const seen = randomResizedCrop().apply?.({ image, mask }, random, { height: 8, width: 12 });
    expect(seen).toEqual({
      image: { channels: 1, height: 8, width: 12, data: new Uint8Array(96).fill(9) },
      mask: new Uint8Array(96).fill(2),
    });
  });
});

describe('colorJitter', () => {
  const image = named('noise');

  it('applies each given change once, in random order', () => {
    const jitter = colorJitter({ brightness: [0.5, 0.5], saturation: [2, 2] });
    const [one, other] = [
      saturation(brightness(image, 0.5), 2).data.join(),
      brightness(saturation(image, 2), 0.5).data.join(),
    ];
    expect(one).not.toBe(other);
    const first = countOf(400, (random) => {
      const bytes = jitter.apply?.({ image }, random, image).image.data.join();
      expect([one, other]).toContain(bytes);
      return bytes === one;
    });
    expect(Math.abs(first - 200)).toBeLessThan(4 * Math.sqrt(100));
  });

  it('draws factors from 1 - s, but not below 0, to 1 + s', () => {
    const white = { channels: 1, height: 1, width: 1, data: Uint8Array.of(100) };
    const seen = Array.from({ length: 2000 }, (_, index) => {
      const random = new RandomStream(0, 'augment', 0, index);
      return colorJitter({ brightness: 1.2 }).apply?.({ image: white }, random, white).image
        .data[0];
    }).map((byte) => byte ?? NaN);
    expect(Math.min(...seen)).toBe(0);
    expect(Math.max(...seen)).toBe(219);
    // The factors 0 to 2.2 are evenly likely, and bytes are cut off.
    expect(seen.reduce((sum, byte) => sum + byte, 0) / 2000).toBeCloseTo(109.5, -1);
  });

  it('happens as often as its probability says, and never does anything by default', () => {
    const jitter = colorJitter({ brightness: [0.5, 0.5], probability: 0.8 });
    const happened = countOf(1000, (random) => {
      return jitter.apply?.({ image }, random, image).image !== image;
    });
    expect(Math.abs(happened - 800)).toBeLessThan(4 * Math.sqrt(160));
    expect(colorJitter().apply?.({ image }, new RandomStream(0, 'a'), image).image).toBe(image);
  });
});

describe('randomGrayscale', () => {
  it('makes one image of ten grey by default', () => {
    const image = named('noise');
    const happened = countOf(2000, (random) => {
      const seen = randomGrayscale().apply?.({ image }, random, image).image;
      if (seen === image) return false;
      expect(seen).toEqual(grey(image));
      return true;
    });
    expect(Math.abs(happened - 200)).toBeLessThan(4 * Math.sqrt(180));
  });
});

describe('randomErasing', () => {
  const [height, width] = [30, 40];
  const image = { channels: 3, height, width, data: new Uint8Array(3 * height * width).fill(9) };
  const mask = new Uint8Array(height * width).fill(1);
  const target = {
    height,
    width,
    normalization: { mean: [0.2, 0.4, 0.6], std: [1, 1, 1] },
  };

  it('fills one rectangle with the mean colour, and ignores the mask there', () => {
    for (let index = 0; index < 100; index++) {
      const random = new RandomStream(0, 'augment', 0, index);
      const seen = randomErasing({ probability: 1 }).apply?.({ image, mask }, random, target);
      const erased = Array.from(seen?.mask ?? [], (value) => value === IGNORED);
      const places = erased.flatMap((is, at) => (is ? [at] : []));
      const rows = places.map((at) => Math.floor(at / width));
      const columns = places.map((at) => at % width);
      const tall = Math.max(...rows) - Math.min(...rows) + 1;
      const wide = Math.max(...columns) - Math.min(...columns) + 1;
      expect(places).toHaveLength(tall * wide);
      expect(places.length / erased.length).toBeGreaterThan(0.015);
      expect(places.length / erased.length).toBeLessThan(0.35);
      seen?.image.data.forEach((byte, at) => {
        const [channel, place] = [Math.floor(at / erased.length), at % erased.length];
        expect(byte).toBe(erased[place] ? [51, 102, 153][channel] : 9);
      });
    }
  });

  it('happens one time of four by default', () => {
    const happened = countOf(1000, (random) => {
      return randomErasing().apply?.({ image }, random, target).image !== image;
    });
    expect(Math.abs(happened - 250)).toBeLessThan(4 * Math.sqrt(187.5));
  });

  it('fills with a byte of choice, or with noise', () => {
    const bytes = (value: number | 'noise'): Set<number> => {
      const random = new RandomStream(0, 'augment', 0, 1);
      const erasing = randomErasing({ probability: 1, scale: [0.3, 0.4], value });
      return new Set(erasing.apply?.({ image }, random, target).image.data);
    };
    expect([...bytes(200)].sort()).toEqual([200, 9]);
    expect(bytes('noise').size).toBeGreaterThan(200);
  });
});

function countOf(times: number, happens: (random: RandomStream) => boolean): number {
  let count = 0;
  for (let index = 0; index < times; index++) {
    if (happens(new RandomStream(0, 'augment', 0, index))) count++;
  }
  return count;
}

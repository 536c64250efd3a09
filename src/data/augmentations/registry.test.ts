import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { scalar } from '../../scalar.js';
import { defineAugmentation } from '../augmentation.js';
import {
  augmentationOf,
  augmentations,
  augmentationsText,
  colorJitter,
  contrastiveViews,
  cutmix,
  flip,
  gaussianBlur,
  mixup,
  parseAugmentations,
  randAugment,
  randomCrop,
  randomErasing,
  randomResizedCrop,
  standardAugmentation,
} from './index.js';

/** What a list is to a run's config.json. */
const plain = (list: readonly { name: string; options: object }[]): unknown =>
  list.map(({ name, options }) => ({ name, options }));

describe('parseAugmentations', () => {
  it.each([
    ['flip', [flip()]],
    ['randomCrop', [randomCrop(4)]],
    ['random-crop:padding=2, flip', [randomCrop(2), flip()]],
    [
      'randomResizedCrop:scale=0.35+1,flip,colorJitter:brightness=0.4,randomErasing,mixup:alpha=0.2,cutmix',
      [
        randomResizedCrop({ scale: [0.35, 1] }),
        flip(),
        colorJitter({ brightness: 0.4 }),
        randomErasing(),
        mixup({ alpha: 0.2 }),
        cutmix(),
      ],
    ],
    [
      'color-jitter:hue=-0.1+0.2:brightness=0.5+1',
      [colorJitter({ hue: [-0.1, 0.2], brightness: [0.5, 1] })],
    ],
    [
      'random-erasing:value=noise:probability=1',
      [randomErasing({ value: 'noise', probability: 1 })],
    ],
    ['rand-augment:ops=3:magnitude=12', [randAugment({ ops: 3, magnitude: 12 })]],
    ['gaussian-blur', [gaussianBlur()]],
    ['standard', standardAugmentation()],
    ['standard,mixup', [...standardAugmentation(), mixup()]],
    ['contrastive-views', contrastiveViews()],
    ['none', []],
  ])("reads '%s'", (text, expected) => {
    expect(plain(parseAugmentations(text))).toEqual(plain(expected));
  });

  it.each([
    ['flipp', "Unknown augmentation 'flipp'. Did you mean 'flip'?"],
    ['', "Unknown augmentation ''."],
    ['constructor', "Unknown augmentation 'constructor'."],
    [
      'random-crop:paddin=4',
      "The augmentation 'randomCrop' has no option 'paddin'. Did you mean 'padding'?",
    ],
    ['flip:probability=0.3', "The augmentation 'flip' has no option 'probability'. It has none."],
    [
      'randomCrop:padding=-1',
      "The option 'padding' of the augmentation 'randomCrop' must be an integer of at least 0 (default 4), not -1.",
    ],
    ['mixup:alpha=0', 'must be a number above 0 (default 0.2), not 0.'],
    ['randAugment:magnitude=31', 'must be an integer from 0 to 30 (default 9), not 31.'],
    [
      'randomResizedCrop:scale=1+0.5',
      'must be two shares of the area above 0 and up to 1, the smaller first (default [0.08,1]), not [1,0.5]: the first is above the second.',
    ],
    ['randomResizedCrop:scale=0.5', 'not 0.5.'],
    ['randomResizedCrop:scale=0+1', 'not [0,1].'],
    [
      'colorJitter:hue=0.6',
      'must be a number from 0 to 0.5, or the least and the most turn from -0.5 to 0.5 (default 0), not 0.6.',
    ],
    [
      'randomErasing:value=men',
      `must be 'mean' or 'noise' or an integer from 0 to 255 (default 'mean'), not "men".`,
    ],
    ['randomErasing:probability=1.5', 'must be a number from 0 to 1 (default 0.25), not 1.5.'],
    ['mixup:alpha', "'mixup:alpha' is no augmentation. Expected a name, then options after colons"],
    ['mixup:alpha=', "'mixup:alpha=' is no augmentation."],
    ['mixup:alpha=1:alpha=2', "'mixup:alpha=1:alpha=2' gives the option 'alpha' twice."],
    ['standard:padding=3', 'Write out the list instead: randomCrop,flip.'],
  ])("refuses '%s'", (text, message) => {
    expect(() => parseAugmentations(text)).toThrow(RequestError);
    expect(() => parseAugmentations(text)).toThrow(message);
  });
});

describe('augmentationsText', () => {
  it.each([
    'none',
    'randomCrop,flip',
    'randomCrop:padding=2',
    'randomResizedCrop:scale=0.35+1,flip,randomErasing:value=noise,mixup:alpha=0.3',
    'colorJitter:brightness=0.4:hue=-0.1+0.1',
  ])("writes '%s' as it is read", (text) => {
    expect(augmentationsText(parseAugmentations(text))).toBe(text);
  });

  it('writes presets out', () => {
    const text = augmentationsText(contrastiveViews(224));
    expect(plain(parseAugmentations(text))).toEqual(plain(contrastiveViews(224)));
  });
});

describe('augmentationOf', () => {
  it('makes every augmentation again from what a config.json keeps', () => {
    for (const make of augmentations.list()) {
      const one = make();
      const kept = JSON.parse(JSON.stringify(one)) as { name: string; options: object };
      expect(kept.name).toBe(make.id);
      const again = augmentationOf(kept.name, { ...kept.options });
      expect(again.options).toEqual(one.options);
      expect([again.apply !== undefined, again.mix !== undefined, again.resizes]).toEqual([
        one.apply !== undefined,
        one.mix !== undefined,
        one.resizes,
      ]);
    }
  });

  it('knows those that were added', () => {
    const invert = defineAugmentation({
      id: 'testInvert',
      options: { from: z.number().int().min(0).default(0).describe('The first byte that is.') },
      create: ({ from }) => ({
        apply: ({ image, ...rest }) => ({
          ...rest,
          image: { ...image, data: image.data.map((byte) => (byte < from ? byte : 255 - byte)) },
        }),
      }),
    });
    augmentations.add(invert);
    expect(plain(parseAugmentations('test-invert:from=10'))).toEqual(plain([invert({ from: 10 })]));
    expect(augmentationsText([invert(), flip()])).toBe('testInvert,flip');
  });
});

describe('options', () => {
  it('are checked in programs as on the command line', () => {
    expect(() => randomCrop(1.5)).toThrow(RequestError);
    expect(() => mixup({ alpha: NaN })).toThrow(RequestError);
    expect(() => randomResizedCrop({ scale: [0.5, 0.1] })).toThrow('the first is above the second');
    expect(() => augmentationOf('mixup', { beta: 1 })).toThrow("has no option 'beta'");
    expect(() => augmentationOf('mixup', { alpha: '1' })).toThrow('must be a number above 0');
  });

  it('are all in docs/augmentation.md, with their defaults', () => {
    const page = readFileSync(new URL('../../../docs/augmentation.md', import.meta.url), 'utf8');
    for (const { id, optionSet } of augmentations.list()) {
      if (id.startsWith('test')) continue;
      expect(page).toContain(`\`${id}\``);
      for (const [option, info] of Object.entries(optionSet.info())) {
        const standard = Array.isArray(info.default)
          ? info.default.join('+')
          : String(info.default);
        const shown = option === 'ratio' && id === 'randomResizedCrop' ? '3/4+4/3' : standard;
        expect(page).toMatch(new RegExp(`\`${option}\`[^\n]*\`${shown.replaceAll('+', '\\+')}\``));
        expect(info.meaning).not.toBe('');
      }
    }
  });
});

describe('scalar', () => {
  it.each([
    ['0.35+1', [0.35, 1]],
    ['-0.1+0.1', [-0.1, 0.1]],
    ['2+4+8', [2, 4, 8]],
    ['1e+5', 100000],
    ['true', true],
    ['2+x', '2+x'],
    ['+', '+'],
    ['1+', '1+'],
    ['noise', 'noise'],
  ])("reads '%s'", (text, value) => {
    expect(scalar(text)).toEqual(value);
  });
});

/** Augmentations by name: for command lines, a run's config.json and threads. */
import { RequestError } from '../../errors.js';
import { Registry } from '../../registry.js';
import { scalar } from '../../scalar.js';
import type { Augmentation, AugmentationKind } from '../augmentation.js';
import { colorJitter, randomGrayscale } from './color-jitter.js';
import { flip } from './flip.js';
import { gaussianBlur } from './gaussian-blur.js';
import { cutmix, mixup } from './mixing.js';
import { contrastiveViews, standardAugmentation } from './presets.js';
import { randAugment } from './rand-augment.js';
import { randomCropKind } from './random-crop.js';
import { randomErasing } from './random-erasing.js';
import { randomResizedCrop } from './random-resized-crop.js';

/** Lists that have a name of their own. */
const presets = new Map<string, () => readonly Augmentation[]>([
  ['none', () => []],
  ['standard', standardAugmentation],
  ['contrastiveViews', contrastiveViews],
]);

/** The words that stand for lists, and what each stands for. */
export function listPresets(): { readonly id: string; readonly list: readonly Augmentation[] }[] {
  return Array.from(presets, ([id, list]) => ({ id, list: list() }));
}

/** All kinds by their ids; `augmentations.add(invert)` adds one's own. */
export const augmentations = new Registry<AnyKind>(
  'augmentation',
  [
    randomCropKind,
    randomResizedCrop,
    flip,
    colorJitter,
    randomGrayscale,
    gaussianBlur,
    randAugment,
    randomErasing,
    mixup,
    cutmix,
  ],
  [...presets.keys()],
);

/** A kind whose options are not known to the compiler: they are checked when they are given. */
type AnyKind = Pick<AugmentationKind, 'id' | 'optionSet'> & ((options?: never) => Augmentation);

/**
 * An augmentation by its name, as a run's config.json keeps it.
 * @param name in camel or kebab case: `randomCrop`, `random-crop`
 * @throws RequestError for an unknown name or option, or a value that an option cannot have
 */
export function augmentationOf(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
): Augmentation {
  return augmentations.get(camelCase(name))(options as never);
}

/**
 * Reads `randomResizedCrop:scale=0.35+1,flip,mixup`: augmentations after commas, their options after colons.
 * `none`, `standard` and `contrastive-views` stand for lists. Names may be in camel or kebab case.
 * @throws RequestError for what cannot be read, an unknown name or option, or a value that an option cannot have
 */
export function parseAugmentations(text: string): readonly Augmentation[] {
  return text.split(',').flatMap((part) => {
    const [name = '', ...pairs] = part.trim().split(':');
    const list = presets.get(camelCase(name));
    if (list && pairs.length === 0) return list();
    if (list) {
      throw new RequestError(
        `'${name}' stands for a list of augmentations, which has no options. Write out the list instead: ${augmentationsText(list())}.`,
      );
    }
    const options = new Map<string, unknown>();
    for (const pair of pairs) {
      const [option, value] = optionOf(part, pair);
      if (options.has(option)) {
        throw new RequestError(`'${part.trim()}' gives the option '${option}' twice.`);
      }
      options.set(option, value);
    }
    return [augmentationOf(name, Object.fromEntries(options))];
  });
}

/** The list as {@link parseAugmentations} reads it, with the options that differ from the defaults; `none` if it is empty. */
export function augmentationsText(list: readonly Augmentation[]): string {
  const parts = list.map(({ name, options }) => {
    const info = augmentations.has(name) ? augmentations.get(name).optionSet.info() : {};
    const given = Object.entries(options)
      .filter(([option, value]) => textOf(value) !== textOf(info[option]?.default))
      .map(([option, value]) => `:${option}=${textOf(value)}`);
    return name + given.join('');
  });
  return parts.length === 0 ? 'none' : parts.join(',');
}

function optionOf(part: string, pair: string): [string, unknown] {
  const [option, value, ...more] = pair.split('=');
  if (!option || value === undefined || value === '' || more.length > 0) {
    throw new RequestError(
      `'${part.trim()}' is no augmentation. Expected a name, then options after colons: randomCrop, randomResizedCrop:scale=0.35+1, colorJitter:brightness=0.4:hue=0.1.`,
    );
  }
  return [camelCase(option), scalar(value)];
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join('+') : String(value);
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Augmentations are values: a list of them is what happens to every training image, in that order.
 * They work on pixels from 0 to 255, before normalisation; masks move with their images. Everything
 * random comes from the stream that they are handed, which is keyed by seed, purpose, epoch and the
 * image's place: neither threads nor resuming change a bit.
 */
import { RequestError } from '../errors.js';
import { OptionSet, type CompleteOptions, type OptionShape, type OptionsOf } from '../options.js';
import type { RandomStream } from '../random/index.js';
import type { Normalization, Pixels } from './dataset.js';
import type { Fields } from './fields.js';

/** An image with its mask, where it has one. */
export interface Picture {
  readonly image: Pixels;
  /** [H, W] */
  readonly mask?: Uint8Array;
}

/** Rows and columns. */
export interface Frame {
  readonly height: number;
  readonly width: number;
}

/** What an image is on its way to. */
export interface Target extends Frame {
  /** By which it will be normalised, where that is known. */
  readonly normalization?: Normalization;
}

/** A batch's images before they go to the network, for augmentations that mix them. */
export interface MixableBatch {
  /** [B, C, H, W], normalised; changed in place. */
  readonly images: Float32Array;
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [B]: gets, for each image, the place in the batch of the one that was mixed into it. */
  readonly partners: Int32Array;
  /** [B]: gets how much of each image is its own, 0 to 1. */
  readonly shares: Float32Array;
}

/** What an augmentation does to one image, or to a batch. */
export interface AugmentationSteps {
  /**
   * Changes one image: gives back new arrays, or the same where nothing changes, and never writes into
   * those that it was given.
   * @param target the size that images have in a batch
   */
  apply?(picture: Picture, random: RandomStream, target: Target): Picture;
  /** Mixes the images of a batch; of several such in a list, one is drawn for every batch. */
  mix?(batch: MixableBatch, random: RandomStream): void;
}

/** One step of the list. */
export interface Augmentation extends AugmentationSteps {
  /** `randomCrop` */
  readonly name: string;
  /** Plain values: a run's config.json keeps them, and threads are sent them. */
  readonly options: Readonly<Record<string, unknown>>;
  /**
   * True if it takes images of any size and gives back one of the frame's. Only the first of a list may:
   * before any other, images are brought to the frame.
   */
  readonly resizes?: boolean;
}

/** What {@link defineAugmentation} takes. */
export interface AugmentationDefinition<Shape extends OptionShape> {
  /** In camel case, as a program writes it: `randomCrop`. On a command line `random-crop` is the same. */
  readonly id: string;
  /** A zod schema for each option, with its default and its meaning. Default: it has none. */
  readonly options?: Shape;
  /** See {@link Augmentation.resizes}. */
  readonly resizes?: boolean;
  /** What it does; the options are checked and complete. */
  create(options: CompleteOptions<Shape>): AugmentationSteps;
}

/** Makes augmentations of one kind: `colorJitter({ brightness: 0.4 })`. */
export interface AugmentationKind<Shape extends OptionShape = OptionShape> {
  /** @throws RequestError for an unknown option, or a value that it cannot have */
  (options?: OptionsOf<Shape>): Augmentation;
  readonly id: string;
  readonly optionSet: OptionSet<Shape>;
}

/**
 * Makes a kind of augmentation. `augmentations.add` gives it a name on the command line and in threads.
 *
 * @example
 * const invert = defineAugmentation({
 *   id: 'invert',
 *   options: { probability: z.number().min(0).max(1).default(0.5).describe('How often.') },
 *   create: ({ probability }) => ({
 *     apply: (picture, random) => {
 *       if (random.uniform() >= probability) return picture;
 *       const { image } = picture;
 *       return { ...picture, image: { ...image, data: image.data.map((byte) => 255 - byte) } };
 *     },
 *   }),
 * });
 */
export function defineAugmentation<Shape extends OptionShape = Record<string, never>>(
  definition: AugmentationDefinition<Shape>,
): AugmentationKind<Shape> {
  const { id, options = {} as Shape, resizes } = definition;
  const optionSet = new OptionSet(options);
  const make = (given: object = {}): Augmentation => {
    const complete = optionSet.complete(`the augmentation '${id}'`, given);
    const steps = definition.create(complete);
    const made = { name: id, options: complete, ...(resizes && { resizes }), ...steps };
    kinds.set(made, kind);
    return made;
  };
  const kind: AugmentationKind<Shape> = Object.assign(make, { id, optionSet });
  return kind;
}

const kinds = new WeakMap<Augmentation, object>();

/** The kind that made an augmentation; undefined for one that a program wrote out by hand. */
export function kindOf(augmentation: Augmentation): object | undefined {
  return kinds.get(augmentation);
}

/**
 * Checks that a list can be applied.
 * @param fields what the task asks for
 * @throws RequestError if one that resizes is not the first, or one mixes images and the task would not know
 */
export function checkAugmentations(list: readonly Augmentation[], fields: Fields): void {
  const late = list.find(({ resizes }, i) => i > 0 && resizes);
  if (late) {
    throw new RequestError(
      `The augmentation ${late.name} cuts its piece out of the original picture, so it must be the first of the list.`,
    );
  }
  const mixing = list.find((one) => one.mix !== undefined);
  const asked = new Set(Object.values(fields).map(({ from }) => from));
  if (mixing && asked.has('image') && !(asked.has('partner') && asked.has('share'))) {
    throw new RequestError(
      `The augmentation ${mixing.name} mixes the images of a batch, but the task does not ask which and by how much (the fields 'partner' and 'share'), so it would learn the wrong thing. Use classification({ mixed: true }), or leave ${mixing.name} out.`,
    );
  }
}

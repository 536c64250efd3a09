/** What a model is: a value that makes networks, and says what it is. */
import type { AttentionChoice } from '../attention/registry.js';
import { RequestError } from '../errors.js';
import type { Module } from '../nn/module.js';
import type { Placement, Shortcut } from './blocks.js';
import type { Stem } from './resnet.js';

/** What a person may choose about a model. A model of one's own takes those of them that it has a use for. */
export interface ModelOptions {
  /** Number of classes; 0: no classifier, but the features in front of it. Default 10. */
  readonly classes?: number;
  /** Channels of the images. Default 3. */
  readonly channels?: number;
  /**
   * A mechanism for the attention slot of every block: as it is written (`cbam:ratio=8@3`), as a value, or
   * as a function that makes a module of one's own for so many channels. Default 'none'.
   */
  readonly attention?: AttentionChoice;
  /** Where the slot is in a block. Default 'before-addition'. */
  readonly placement?: Placement;
  /** Stages whose blocks have it, counted from 1. Default: those of the attention, or all. */
  readonly stages?: readonly number[];
  /** Channels of the first stage. Default: the model's own. */
  readonly width?: number;
  /** Where images enter: 'cifar' for small ones, 'imagenet' for large ones. Default: the model's own. */
  readonly stem?: Stem;
  /** How shortcuts change size. Default: the model's own. */
  readonly shortcut?: Shortcut;
  /**
   * Height and width of the images, for attention that is made for maps of one size. Default: those
   * of the model's `input`.
   */
  readonly imageSize?: readonly [number, number];
  /** Draws the parameters; without it they are drawn with seed 0 when they are first needed. */
  readonly seed?: number;
}

/** What {@link defineModel} takes. */
export interface ModelDefinition<Id extends string, Options extends object, Net extends Module> {
  /** What it is called on the command line: `resnet20`. Letters, digits, - and _. */
  readonly id: Id;
  readonly title: string;
  /** Authors and venue, or title, of the paper. Default null: there is none. */
  readonly paper?: string | null;
  /** Of the paper. Default null. */
  readonly year?: number | null;
  /** Default null: the paper is not there. */
  readonly arxiv?: string | null;
  /** One image that it is made for: C, H, W. Default [3, 32, 32]. */
  readonly input?: readonly [channels: number, height: number, width: number];
  /** Whether it has slots for attention; else attention and its stages are refused. Default false. */
  readonly takesAttention?: boolean;
  /** Builds the network. Its parameters are drawn afterwards, by the option `seed`. */
  create(options: Options): Net;
}

/** A model: `resnet20.create({ classes: 100, seed: 1 })` makes a network. */
export class Model<
  Id extends string = string,
  Options extends object = ModelOptions,
  Net extends Module = Module,
> {
  readonly id: Id;
  readonly title: string;
  /** Authors and venue, or title, of the paper; null if there is none. */
  readonly paper: string | null;
  readonly year: number | null;
  readonly arxiv: string | null;
  /** One image that it is made for: C, H, W. */
  readonly input: readonly [channels: number, height: number, width: number];
  /** Whether it has slots for attention. */
  readonly takesAttention: boolean;
  readonly #definition: Pick<ModelDefinition<Id, Options, Net>, 'create'>;

  constructor(definition: ModelDefinition<Id, Options, Net>) {
    this.id = definition.id;
    this.title = definition.title;
    this.paper = definition.paper ?? null;
    this.year = definition.year ?? null;
    this.arxiv = definition.arxiv ?? null;
    this.input = definition.input ?? [3, 32, 32];
    this.takesAttention = definition.takesAttention ?? false;
    this.#definition = definition;
  }

  /**
   * Makes a network, with its paths assigned and, if a seed is given, its parameters drawn.
   * @throws RequestError for options that the model does not have or cannot follow
   */
  create(options?: Options & Pick<ModelOptions, 'seed'>): Net {
    const { seed, ...rest }: Pick<ModelOptions, 'seed'> & Partial<Options> = options ?? {};
    if (!this.takesAttention) this.refuseAttention(rest);
    const net = this.#definition.create(rest as unknown as Options);
    net.assignPaths();
    return seed === undefined ? net : net.initialize(seed);
  }

  private refuseAttention({ attention, stages }: ModelOptions): void {
    if ((attention === undefined || attention === 'none') && stages === undefined) return;
    throw new RequestError(
      `The model '${this.id}' has no slots for attention. Leave out the attention and its stages, or choose another model.`,
    );
  }
}

/**
 * Makes a model, a value like those that are here. `models.register` gives it a name on the command line;
 * a program needs no name.
 *
 * @example
 * const tiny = defineModel({
 *   id: 'tiny',
 *   title: 'Two convolutions',
 *   create: ({ classes = 10 }: ModelOptions) => new Tiny(classes),
 * });
 */
export function defineModel<
  const Id extends string,
  Net extends Module,
  Options extends object = ModelOptions,
>(definition: ModelDefinition<Id, Options, Net>): Model<Id, Options, Net> {
  return new Model(definition);
}

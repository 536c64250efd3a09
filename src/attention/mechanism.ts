/** What a mechanism is: a value that makes modules, and says what it is and which options it has. */
import { RequestError } from '../errors.js';
import type { Layer, Module } from '../nn/module.js';
import {
  OptionSet,
  type CompleteOptions,
  type OptionInfo,
  type OptionShape,
  type OptionsOf,
} from '../options.js';

/** What a mechanism looks at: which channels, which places, both, several maps, or tokens. */
export type Domain = 'channel' | 'spatial' | 'hybrid' | 'fusion' | 'tokens';

/** Options of any mechanism, by name. */
export type AnyOptions = Readonly<Record<string, unknown>>;

/** What {@link defineMechanism} takes. */
export interface MechanismDefinition<
  Id extends string,
  Shape extends OptionShape,
  Made extends Module,
> {
  /** What it is called on the command line: `se`. Letters, digits, - and _. */
  readonly id: Id;
  /** Its name in full: `Squeeze-and-Excitation`. */
  readonly title: string;
  readonly domain: Domain;
  /** Authors and venue, or title, of the paper. Default null: there is none. */
  readonly paper?: string | null;
  /** Of the paper. Default null. */
  readonly year?: number | null;
  /** `1709.01507`. Default null: the paper is not there. */
  readonly arxiv?: string | null;
  /** Number of feature maps that `forward` takes; only mechanisms of one fit a network's slot. Default 1. */
  readonly inputs?: number;
  /** Whether the output has the shape of the (first) input, as a network's slot needs. Default true. */
  readonly keepsShape?: boolean;
  /**
   * A zod schema for each option, with its default and its meaning:
   * `{ ratio: z.number().positive().default(16).describe('How many ..') }`. Default: it has none.
   */
  readonly options?: Shape;
  /**
   * Options that follow from the size of the maps, for a mechanism that is made for maps of one size.
   * Default: none do.
   * @param given the other options, where they differ from the defaults
   */
  optionsFor?(
    height: number,
    width: number,
    given: Partial<CompleteOptions<Shape>>,
  ): Partial<OptionsOf<Shape>>;
  /** Builds the module for feature maps [B, channels, H, W]; the options are checked and complete. */
  create(channels: number, options: CompleteOptions<Shape>): Made;
}

/**
 * A mechanism: `se.create(64, { ratio: 8 })` makes a module, and `se` or `se.with({ ratio: 8 })` is what
 * `createModel` takes as `attention`.
 */
export class Mechanism<
  Id extends string = string,
  Shape extends OptionShape = OptionShape,
  Made extends Module = Module,
> {
  readonly id: Id;
  readonly title: string;
  readonly domain: Domain;
  /** Authors and venue, or title, of the paper; null if there is none. */
  readonly paper: string | null;
  readonly year: number | null;
  readonly arxiv: string | null;
  /** Number of feature maps that the module's `forward` takes. */
  readonly inputs: number;
  /** Whether its output has the shape of its (first) input. */
  readonly keepsShape: boolean;
  readonly #options: OptionSet<Shape>;
  readonly #definition: Pick<MechanismDefinition<Id, Shape, Made>, 'create' | 'optionsFor'>;

  constructor(definition: MechanismDefinition<Id, Shape, Made>) {
    const { id, title, domain, inputs = 1, keepsShape = true } = definition;
    this.id = id;
    this.title = title;
    this.domain = domain;
    this.paper = definition.paper ?? null;
    this.year = definition.year ?? null;
    this.arxiv = definition.arxiv ?? null;
    this.inputs = inputs;
    this.keepsShape = keepsShape;
    this.#options = new OptionSet(definition.options ?? ({} as Shape));
    this.#definition = definition;
  }

  /** Its options in words, by name. */
  get options(): Readonly<Record<string, OptionInfo>> {
    return this.#options.info();
  }

  /** Whether it fits a network's slot: one feature map in, one of the same shape out. */
  get fitsSlot(): boolean {
    return this.inputs === 1 && this.keepsShape;
  }

  /**
   * Builds a module for feature maps [B, channels, H, W].
   * @param options those that differ from the defaults
   * @throws RequestError for a number of channels that is none, an unknown option, or a value that an
   *   option or so many channels cannot have
   */
  create(channels: number, options?: OptionsOf<Shape>): Made {
    if (!Number.isInteger(channels) || channels < 1) {
      throw new RequestError(
        `The attention '${this.id}' needs a positive integer number of channels, not ${channels}.`,
      );
    }
    return this.#definition.create(channels, this.#options.complete(this.#owner, options ?? {}));
  }

  /**
   * This mechanism with options, for a network's slot.
   * @param options those that differ from the defaults
   * @throws RequestError for an unknown option, or a value that it cannot have
   */
  with(options: Partial<OptionsOf<Shape>>): MechanismChoice {
    this.#options.check(this.#owner, options);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    return new MechanismChoice(this, Object.fromEntries(given));
  }

  /** Options that follow from the size of the maps; see {@link MechanismDefinition.optionsFor}. */
  optionsFor(height: number, width: number, given: AnyOptions = {}): AnyOptions {
    const checked = this.#options.check(this.#owner, given) as Partial<CompleteOptions<Shape>>;
    return this.#definition.optionsFor?.(height, width, checked) ?? {};
  }

  get #owner(): string {
    return `the attention '${this.id}'`;
  }
}

/** A mechanism with options and, if not all, the stages of the network that have it. */
export class MechanismChoice {
  /**
   * @param options those that differ from the defaults, as they were given
   * @param stages counted from 1; undefined: all
   */
  constructor(
    readonly mechanism: Mechanism,
    readonly options: AnyOptions = {},
    readonly stages?: readonly number[],
  ) {}

  get id(): string {
    return this.mechanism.id;
  }

  /** The same in these stages of the network only, counted from 1. */
  inStages(...stages: readonly number[]): MechanismChoice {
    return new MechanismChoice(this.mechanism, this.options, stages);
  }

  /**
   * Builds it for a slot. Options that follow from the size of the slot's maps need not be given.
   * @param height of the feature maps that it will see
   */
  createLayer(channels: number, height: number, width: number): Layer {
    const sized = this.mechanism.optionsFor(height, width, this.options);
    return this.mechanism.create(channels, { ...sized, ...this.options }) as Layer;
  }

  /** As it is written: `cbam:ratio=8@3`. A null, which has no form there, is left out: it is always the default. */
  toString(): string {
    const options = Object.entries(this.options)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `:${name}=${Array.isArray(value) ? value.join('+') : String(value)}`);
    const stages = this.stages === undefined ? '' : `@${this.stages.join('+')}`;
    return `${this.id}${options.join('')}${stages}`;
  }
}

/**
 * Makes a mechanism, a value like those of the zoo. `attention.register` gives it a name on the command
 * line; a program needs no name.
 *
 * @example
 * const scale = defineMechanism({
 *   id: 'scale',
 *   title: 'One factor for each channel',
 *   domain: 'channel',
 *   options: { start: z.number().default(1).describe('The factors before training.') },
 *   create: (channels, { start }) => new Scale(channels, start),
 * });
 * const model = createModel('resnet20', { attention: scale.with({ start: 0.5 }) });
 */
export function defineMechanism<
  const Id extends string,
  Made extends Module,
  Shape extends OptionShape = Readonly<Record<string, never>>,
>(definition: MechanismDefinition<Id, Shape, Made>): Mechanism<Id, Shape, Made> {
  return new Mechanism(definition);
}

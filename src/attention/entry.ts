import type { Module } from '../nn/module.js';

/** What a mechanism looks at: which channels, which places, both, several maps, or tokens. */
export type Domain = 'channel' | 'spatial' | 'hybrid' | 'fusion' | 'tokens';

/** The values that an option may have on a command line or in a configuration. */
export type OptionValue = number | boolean | string | readonly number[] | null;

/** One mechanism of the zoo, as the registry knows it. */
export interface AttentionEntry {
  /** What it is called on the command line: `se`. */
  readonly id: string;
  /** Its name in full: `Squeeze-and-Excitation`. */
  readonly title: string;
  readonly domain: Domain;
  /** Authors and venue, or title, of the paper. */
  readonly paper: string;
  readonly year: number;
  /** `1709.01507`, or null if the paper is not there. */
  readonly arxiv: string | null;
  /** Number of feature maps that `forward` takes; only mechanisms of one fit a network's slot. */
  readonly inputs: number;
  /** Whether the output has the shape of the (first) input, as a network's slot needs. */
  readonly keepsShape: boolean;
  /** Every option with its default. */
  readonly options: Readonly<Record<string, OptionValue>>;
  /**
   * Options that follow from the size of the maps, for a mechanism that is made for maps of one size.
   * Default: none do.
   * @param given the other options, where they differ from the defaults
   */
  optionsFor(
    height: number,
    width: number,
    given?: Readonly<Record<string, OptionValue>>,
  ): Readonly<Record<string, OptionValue>>;
  /** Builds the module for feature maps [B, channels, H, W]; all options are given. */
  create(channels: number, options: Readonly<Record<string, OptionValue>>): Module;
}

/** A mechanism's own declaration, in which its options have their own types. */
export interface Mechanism<Options extends object> extends Omit<
  AttentionEntry,
  'options' | 'optionsFor' | 'create' | 'inputs' | 'keepsShape'
> {
  /** Default 1. */
  readonly inputs?: number;
  /** Default true. */
  readonly keepsShape?: boolean;
  readonly options: Options;
  /** Default: no option follows from the size of the maps. */
  optionsFor?(height: number, width: number, given?: Partial<Options>): Partial<Options>;
  create(channels: number, options: Options): Module;
}

/** Makes a registry entry from a mechanism's declaration. */
export function defineMechanism<Options extends object>(
  mechanism: Mechanism<Options>,
): AttentionEntry {
  // The only place where the options' type is erased: the registry completes and checks what it passes on.
  const defaults = { inputs: 1, keepsShape: true, optionsFor: () => ({}) };
  return { ...defaults, ...mechanism } as unknown as AttentionEntry;
}

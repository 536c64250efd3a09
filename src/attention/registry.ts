/** Mechanisms by name, and what a network's slot for attention takes. */
import { describeValue } from '../describe-value.js';
import { RequestError } from '../errors.js';
import { Module, type Layer } from '../nn/module.js';
import { Registry, requireMade } from '../registry.js';
import { parseChoice } from './choice.js';
import { Mechanism, MechanismChoice, type AnyOptions } from './mechanism.js';
import { zoo, type MechanismId, type Zoo } from './zoo.js';

/**
 * A mechanism of the zoo as it is written: its id, options after colons, stages of the network after an
 * at sign: `se`, `cbam:ratio=8@3`. `none` is none.
 */
export type AttentionSpecification =
  'none' | MechanismId | `${MechanismId}:${string}` | `${MechanismId}@${string}`;

/**
 * What a network's slot for attention gets: a mechanism of the zoo as it is written; a mechanism of any
 * kind, alone or with options (`se`, `se.with({ ratio: 8 })`, or `{ id: 'se', options: { ratio: 8 } }`);
 * or a function that makes a module of one's own for feature maps of a number of channels (and a height
 * and width, for one that is made for maps of one size). For a name that is not known before the program
 * runs, `attention.parse(text)` gives the value.
 */
export type AttentionChoice =
  | AttentionSpecification
  | Mechanism
  | MechanismChoice
  | { readonly id: MechanismId; readonly options?: AnyOptions }
  | MakesLayer;

/** Makes a module for feature maps of a number of channels, a height and a width. */
export type MakesLayer = (channels: number, height: number, width: number) => Layer;

/** What fills a network's slots. */
export interface AttentionSlot {
  /** The stages of the network that have it, counted from 1; undefined: all, or those that are said elsewhere. */
  readonly stages?: readonly number[] | undefined;
  /** Makes the module of one slot. */
  readonly createLayer: MakesLayer;
}

const registry = new Registry<Mechanism>('attention', zoo, ['none']);

/** The mechanisms: `attention.create('se', 64, { ratio: 8 })`. */
export const attention = {
  /** All mechanisms, the zoo's first. */
  list(): readonly Mechanism[] {
    return registry.list();
  },

  /** @throws RequestError if there is none of this id; names the nearest ones */
  get<Id extends string>(id: Id): Id extends MechanismId ? Zoo[Id] : Mechanism {
    // The zoo's own are registered first, and no other can take their ids.
    return registry.get(id) as Id extends MechanismId ? Zoo[Id] : Mechanism;
  },

  has(id: string): boolean {
    return registry.has(id);
  },

  /**
   * Adds a mechanism of one's own, so that command lines and configurations can name it.
   * @throws RequestError if another one has its id, and for what defineMechanism did not make
   */
  register(mechanism: Mechanism): void {
    requireMade(mechanism, Mechanism, 'defineMechanism', 'attention.register');
    registry.add(mechanism);
  },

  /**
   * Builds a mechanism of the zoo. For one by a name that is not known before the program runs:
   * `attention.get(name).create(..)`.
   * @param channels of the feature maps that it will see
   * @param options those that differ from the defaults
   * @throws RequestError for an unknown id or option, or a value that it cannot have
   */
  create<Id extends MechanismId>(
    id: Id,
    channels: number,
    options?: Parameters<Zoo[Id]['create']>[1],
  ): ReturnType<Zoo[Id]['create']> {
    return registry.get(id).create(channels, options) as ReturnType<Zoo[Id]['create']>;
  },

  /** Whether a mechanism fits a network's slot: one feature map in, one of the same shape out. */
  fitsSlot({ fitsSlot }: Mechanism): boolean {
    return fitsSlot;
  },

  /**
   * Reads what is written, as {@link AttentionSpecification} has it.
   * @throws RequestError for what cannot be read, an unknown id or option, or a value that it cannot have
   */
  parse(text: string): MechanismChoice | 'none' {
    const { id, options, stages } = parseChoice(text);
    if (id !== 'none') {
      const choice = registry.get(id).with(options);
      return stages === undefined ? choice : choice.inStages(...stages);
    }
    if (Object.keys(options).length === 0 && stages === undefined) return 'none';
    throw new RequestError(`'${text}': what is none has no options and no stages.`);
  },

  /**
   * What fills a network's slots; undefined for none.
   * @throws RequestError for what is no choice, and for a mechanism that does not fit
   */
  slot(choice: AttentionChoice): AttentionSlot | undefined {
    if (typeof choice === 'function') {
      requireNoClass(choice);
      return { createLayer: (...map) => madeBy(choice, map) };
    }
    const read = valueOf(choice);
    if (read === 'none') return undefined;
    requireFit(read.mechanism);
    return {
      stages: read.stages,
      createLayer: (channels, height, width) => read.createLayer(channels, height, width),
    };
  },
};

/** A choice by name, or by a value of the program's, as a value with its options checked. */
function valueOf(choice: Exclude<AttentionChoice, MakesLayer>): MechanismChoice | 'none' {
  if (typeof choice === 'string') return attention.parse(choice);
  if (choice instanceof MechanismChoice) return choice;
  if (choice instanceof Mechanism) return new MechanismChoice(choice);
  const given: unknown = choice;
  if (given instanceof Module) {
    throw new RequestError(
      `The attention is a ${given.constructor.name}, but every slot needs a module of its own. Give a function that makes one: (channels) => new ${given.constructor.name}(channels).`,
    );
  }
  if (typeof given === 'object' && given !== null && typeof choice.id === 'string') {
    const { id, options = {} } = choice;
    return registry.get(id).with(options);
  }
  throw new RequestError(
    `The attention must be an id such as 'se', a mechanism, an object { id, options }, or a function from channels to a module, not ${describeValue(given)}.`,
  );
}

function requireFit({ id, inputs, fitsSlot }: Mechanism): void {
  if (fitsSlot) return;
  const reason =
    inputs === 1
      ? 'does not give back a map of the shape that it was given'
      : `joins ${inputs} feature maps`;
  const fitting = registry.list().filter((one) => one.fitsSlot);
  throw new RequestError(
    `The attention '${id}' ${reason}, so it cannot stand in a network's slot. These can: ${fitting.map((one) => one.id).join(', ')}.`,
  );
}

function requireNoClass(make: MakesLayer): void {
  if (!(make.prototype instanceof Module)) return;
  throw new RequestError(
    `The attention is the class ${make.name}. Give a function that makes one: (channels) => new ${make.name}(channels).`,
  );
}

/** The layer that a function of the program's own makes, if it is one. */
function madeBy(make: MakesLayer, map: Parameters<MakesLayer>): Layer {
  const made: unknown = make(...map);
  if (made instanceof Module) return made as Layer;
  throw new RequestError(
    `The function given as attention must return a Module, not ${describeValue(made)}.`,
  );
}

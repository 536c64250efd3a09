/** The zoo's list: every mechanism by its id. A new mechanism is one file and one line here. */
import { RequestError } from '../errors.js';
import { describeValue } from '../describe-value.js';
import { Module, type Layer } from '../nn/module.js';
import { suggestion } from '../suggest.js';
import { eca } from './channel/eca.js';
import { sf } from './channel/selective-fusion.js';
import { sk } from './channel/selective-kernel.js';
import { se } from './channel/squeeze-excite.js';
import type { AttentionEntry, OptionValue } from './entry.js';
import { gatedFusion } from './fusion/gated.js';
import { mfe } from './fusion/mfe.js';
import { msaa } from './fusion/msaa.js';
import { msf } from './fusion/msf.js';
import { osra } from './fusion/osra.js';
import { safm } from './fusion/safm.js';
import { cbam } from './hybrid/cbam.js';
import { cbamChannel } from './hybrid/channel-gate.js';
import { danetHead } from './hybrid/danet-head.js';
import { danetChannel, danetPosition } from './hybrid/danet.js';
import { cbamJoint } from './hybrid/joint-cbam.js';
import { cbamSpatial } from './hybrid/spatial-gate.js';
import { gatherExcite } from './spatial/gather-excite.js';
import { nonLocal } from './spatial/non-local.js';
import { sagan } from './spatial/sagan.js';
import { simpleNonLocal } from './spatial/simple-non-local.js';
import { simpleVit } from './tokens/simple-vit.js';

const mechanisms: readonly AttentionEntry[] = [
  se,
  eca,
  sk,
  sf,
  sagan,
  nonLocal,
  simpleNonLocal,
  gatherExcite,
  cbam,
  cbamChannel,
  cbamSpatial,
  cbamJoint,
  danetPosition,
  danetChannel,
  danetHead,
  gatedFusion,
  msf,
  mfe,
  safm,
  osra,
  msaa,
  simpleVit,
];

const byId: ReadonlyMap<string, AttentionEntry> = new Map(
  mechanisms.map((entry) => [entry.id, entry]),
);

/**
 * What a network's slot for attention gets: a mechanism's id; an id and, where they differ from its
 * defaults, options; or a function that makes a module of one's own for feature maps of a number of
 * channels (and a height and width, for one that is made for maps of one size).
 */
export type AttentionChoice =
  | string
  | { readonly id: string; readonly options?: Readonly<Record<string, OptionValue>> }
  | ((channels: number, height: number, width: number) => Layer);

/** The mechanisms: `attention.create('se', 64, { ratio: 8 })`. */
export const attention = {
  /** All entries, in the order of the registry. */
  list(): readonly AttentionEntry[] {
    return mechanisms;
  },

  /** @throws RequestError if there is none of this id; names the nearest ones */
  get(id: string): AttentionEntry {
    const entry = byId.get(id);
    if (entry === undefined) throw unknown(id, [...byId.keys()]);
    return entry;
  },

  /**
   * Builds a mechanism.
   * @param channels of the feature maps that it will see
   * @param options those that differ from the defaults
   * @throws RequestError for an unknown id or option, or a value of another type than its default's
   */
  create(
    id: string,
    channels: number,
    options: Readonly<Record<string, OptionValue>> = {},
  ): Module {
    const entry = attention.get(id);
    if (!Number.isInteger(channels) || channels < 1) {
      throw new RequestError(
        `The attention '${id}' needs a positive integer number of channels, not ${channels}.`,
      );
    }
    return entry.create(channels, completeOptions(entry, options));
  },

  /**
   * Whether a mechanism fits a network's slot: one feature map in, one of the same shape out. The
   * others join several maps, or end a network.
   */
  fitsSlot({ inputs, keepsShape }: AttentionEntry): boolean {
    return inputs === 1 && keepsShape;
  },

  /**
   * Builds the attention of a network's slot. Options that follow from the size of its maps need not
   * be given.
   * @param height of the feature maps that it will see
   * @throws RequestError also for a mechanism that does not fit, see {@link fitsSlot}
   */
  createLayer(choice: AttentionChoice, channels: number, height: number, width: number): Layer {
    if (typeof choice === 'function') return madeBy(choice, channels, height, width);
    const { id, options = {} } = withoutForm(choice);
    const known = byId.get(id);
    const fitting = mechanisms.filter((entry) => attention.fitsSlot(entry));
    if (known === undefined) throw unknown(id, ['none', ...fitting.map((entry) => entry.id)]);
    if (!attention.fitsSlot(known)) {
      const reason =
        known.inputs === 1
          ? 'does not give back a map of the shape that it was given'
          : `joins ${known.inputs} feature maps`;
      throw new RequestError(
        `The attention '${id}' ${reason}, so it cannot stand in a network's slot. These can: ${fitting.map((entry) => entry.id).join(', ')}.`,
      );
    }
    const sized = known.optionsFor(height, width, options);
    return attention.create(id, channels, { ...sized, ...options }) as Layer;
  },
};

function unknown(id: string, ids: readonly string[]): RequestError {
  return new RequestError(`Unknown attention '${id}'. ${suggestion(id, ids)}`);
}

/** The layer that a function of the program's own makes, if it is one. */
function madeBy(
  make: Exclude<AttentionChoice, string | { readonly id: string }>,
  ...map: [channels: number, height: number, width: number]
): Layer {
  if (make.prototype instanceof Module) {
    throw new RequestError(
      `The attention is the class ${make.name}. Give a function that makes one: (channels) => new ${make.name}(channels).`,
    );
  }
  const made: unknown = make(...map);
  if (made instanceof Module) return made as Layer;
  throw new RequestError(
    `The function given as attention must return a Module, not ${describeValue(made)}.`,
  );
}

function withoutForm(choice: Exclude<AttentionChoice, (...map: never[]) => unknown>): {
  readonly id: string;
  readonly options?: Readonly<Record<string, OptionValue>>;
} {
  if (typeof choice === 'string') return { id: choice };
  const given: unknown = choice;
  if (given instanceof Module) {
    throw new RequestError(
      `The attention is a ${given.constructor.name}, but every slot needs a module of its own. Give a function that makes one: (channels) => new ${given.constructor.name}(channels).`,
    );
  }
  if (typeof given === 'object' && given !== null && typeof choice.id === 'string') return choice;
  throw new RequestError(
    `The attention must be an id such as 'se', an object { id, options }, or a function from channels to a module, not ${describeValue(given)}.`,
  );
}

/** All options; a list of one number may be given as that number, since a command line has no other form. */
function completeOptions(
  { id, options: defaults }: AttentionEntry,
  given: Readonly<Record<string, OptionValue>>,
): Record<string, OptionValue> {
  const complete: Record<string, OptionValue> = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    const standard = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
    if (standard === undefined) {
      throw new RequestError(
        `The attention '${id}' has no option '${name}'. ${suggestion(name, Object.keys(defaults))}`,
      );
    }
    // Settings come from files too, in which anything may stand.
    if (!isOptionValue(value)) {
      throw new RequestError(
        `The option '${name}' of the attention '${id}' must be a number, a truth value, a text or a list of numbers, not ${shown(value)}.`,
      );
    }
    const listOfOne = typeof value === 'number' && Array.isArray(standard);
    // Null is a value only of what is null by default.
    if (standard !== null && kind(value) !== kind(standard) && !listOfOne) {
      throw new RequestError(
        `The option '${name}' of the attention '${id}' must be a ${kind(standard)} (default ${JSON.stringify(standard)}), not ${shown(value)}.`,
      );
    }
    complete[name] = listOfOne ? [value] : value;
  }
  return complete;
}

function isOptionValue(value: unknown): value is OptionValue {
  if (Array.isArray(value)) return value.every((one) => typeof one === 'number');
  return value === null || ['number', 'boolean', 'string'].includes(typeof value);
}

function shown(value: unknown): string {
  const plain = ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value);
  return plain ? JSON.stringify(value) : describeValue(value);
}

function kind(value: OptionValue): string {
  return Array.isArray(value) ? 'list' : typeof value;
}

/** The zoo's list: every mechanism by its id. A new mechanism is one file and one line here. */
import { RequestError } from '../errors.js';
import type { Layer, Module } from '../nn/module.js';
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

/** A mechanism and, where they differ from its defaults, its options. */
export type AttentionChoice =
  string | { readonly id: string; readonly options?: Readonly<Record<string, OptionValue>> };

/** The mechanisms: `attention.create('se', 64, { ratio: 8 })`. */
export const attention = {
  /** All entries, in the order of the registry. */
  list(): readonly AttentionEntry[] {
    return mechanisms;
  },

  /** @throws RequestError if there is none of this id; names the nearest ones */
  get(id: string): AttentionEntry {
    const entry = byId.get(id);
    if (entry === undefined) {
      throw new RequestError(`Unknown attention '${id}'. ${suggestion(id, byId.keys())}`);
    }
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
   * Builds a mechanism for a network's slot: one feature map in, one of the same shape out.
   * @throws RequestError also for a mechanism that fuses several maps or changes their shape
   */
  createLayer(choice: AttentionChoice, channels: number): Layer {
    const { id, options } = typeof choice === 'string' ? { id: choice, options: {} } : choice;
    const { inputs, keepsShape } = attention.get(id);
    if (inputs !== 1) {
      throw new RequestError(
        `The attention '${id}' joins ${inputs} feature maps, so it cannot stand in a network's slot, which has one.`,
      );
    }
    if (!keepsShape) {
      throw new RequestError(
        `The attention '${id}' does not give back a map of the shape that it was given, so it cannot stand in a network's slot.`,
      );
    }
    return attention.create(id, channels, options) as Layer;
  },
};

function completeOptions(
  { id, options: defaults }: AttentionEntry,
  given: Readonly<Record<string, OptionValue>>,
): Record<string, OptionValue> {
  const complete: Record<string, OptionValue> = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    const standard = defaults[name];
    if (standard === undefined) {
      throw new RequestError(
        `The attention '${id}' has no option '${name}'. ${suggestion(name, Object.keys(defaults))}`,
      );
    }
    if (value !== null && standard !== null && kind(value) !== kind(standard)) {
      throw new RequestError(
        `The option '${name}' of the attention '${id}' must be a ${kind(standard)} (default ${JSON.stringify(standard)}), not ${JSON.stringify(value)}.`,
      );
    }
    complete[name] = value;
  }
  return complete;
}

function kind(value: OptionValue): string {
  return Array.isArray(value) ? 'list' : typeof value;
}

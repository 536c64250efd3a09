/** One example on its way into a batch: augmented, brought to size, normalised. */
import { RandomStream } from '../random/index.js';
import type { Augmentation, Picture } from './augmentation.js';
import type { BatchPlan } from './batches.js';
import type { DataInfo, Example, Normalization } from './dataset.js';
import { fieldShape, fieldType, fillField, type Fields } from './fields.js';
import { fitted, withChannels } from './fitted.js';

/** The fields of a batch by name, each [B, ...]. */
export type BatchFields = Record<string, Float32Array | Int32Array>;

/** Empty fields for a batch of so many examples. */
export function emptyFields(fields: Fields, info: DataInfo, count: number): BatchFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, one]) => {
      const values = fieldShape(one, info).reduce((product, side) => product * side, count);
      return [name, fieldType(one) === 'int32' ? new Int32Array(values) : new Float32Array(values)];
    }),
  );
}

/**
 * Puts one example into a batch.
 * @param place of the example in the batch
 * @param keys what its random choices depend on; without `epoch` there are none
 */
export function placeExample(
  { fields, augment, seed }: BatchPlan,
  info: DataInfo,
  example: Example,
  batch: BatchFields,
  place: number,
  {
    index,
    epoch,
    name,
  }: { readonly index: number; readonly epoch?: number; readonly name: string },
): void {
  const views = new Map<number, Picture>();
  const seen = (view: number): Picture => {
    const known = views.get(view);
    if (known) return known;
    const made =
      epoch === undefined
        ? fitted(example, info)
        : augmented(
            example,
            augment,
            new RandomStream(seed, view === 0 ? 'augment' : `augment.${view}`, epoch, index),
            info,
          );
    views.set(view, made);
    return made;
  };
  for (const [field, one] of Object.entries(fields)) {
    const all = batch[field];
    if (all === undefined) continue;
    const length = fieldShape(one, info).reduce((product, side) => product * side, 1);
    const out = all.subarray(place * length, (place + 1) * length);
    if (one.from === 'image') {
      normalizeInto(seen(one.view).image.data, info.normalization, out as Float32Array);
    } else if (one.from === 'mask') {
      const { mask } = example.mask ? seen(0) : example;
      fillField(one, { ...(mask && { mask }) }, out, name);
    } else {
      fillField(one, example, out, name);
    }
  }
}

function augmented(
  example: Picture,
  list: readonly Augmentation[],
  random: RandomStream,
  info: DataInfo,
): Picture {
  const start = list[0]?.resizes
    ? { ...example, image: withChannels(example.image, info.channels) }
    : fitted(example, info);
  const end = list.reduce<Picture>(
    (picture, one) => one.apply?.(picture, random, info) ?? picture,
    start,
  );
  return fitted(end, info);
}

const tables = new WeakMap<Normalization, Float32Array>();

/** Of every byte in every channel, [C, 256]: (byte / 255 - mean) / std, computed in float64 and rounded once. */
function normalizationTable(normalization: Normalization): Float32Array {
  const known = tables.get(normalization);
  if (known) return known;
  const { mean, std } = normalization;
  const table = new Float32Array(mean.length * 256);
  mean.forEach((center, channel) => {
    for (let byte = 0; byte < 256; byte++) {
      table[channel * 256 + byte] = (byte / 255 - center) / (std[channel] ?? 1);
    }
  });
  tables.set(normalization, table);
  return table;
}

/**
 * Scales pixels to [0, 1] and normalises them.
 * @param bytes [C, H, W]
 * @param out receives [C, H, W]
 */
export function normalizeInto(
  bytes: Uint8Array,
  normalization: Normalization,
  out: Float32Array,
): void {
  const table = normalizationTable(normalization);
  const plane = bytes.length / normalization.mean.length;
  for (let channel = 0, at = 0; channel < normalization.mean.length; channel++) {
    const values = table.subarray(channel * 256, (channel + 1) * 256);
    for (const end = at + plane; at < end; at++) out[at] = values[bytes[at] ?? 0] ?? 0;
  }
}

/**
 * Checkpoints: a run's state and position as one safetensors file, sealed with a checksum, so that
 * one that was damaged on the disk is told from one that is whole.
 */
import { z } from 'zod';
import { FileError } from '../errors.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../formats/safetensors.js';
import { isIntact, seal, UNSEALED } from '../formats/seal.js';
import type { Position } from './fit.js';
import { epochMetricsSchema, tallySchema } from './metrics.js';
import { weightsOf } from './step.js';

const count = z.int().min(0);

const position = z.object({
  epoch: count,
  iteration: count,
  tally: tallySchema,
  seconds: z.number(),
  metrics: z.array(epochMetricsSchema),
});

/** The keys of the metadata under which a checkpoint keeps its position and the format's number. */
const POSITION = 'fovea.position';
const FORMAT = 'fovea.format';

/** Raised whenever a checkpoint written before can no longer be read. 1 had no checksum and no number, 2 the figures of one task only. */
const CURRENT_FORMAT = '3';

/**
 * A state by name, or only the weights that are to be kept of it, with the position.
 * Integer buffers are stored as I64, as PyTorch does.
 * @param metadata more to keep beside them
 */
export async function writeCheckpoint(
  state: HostTensors,
  at: Position,
  {
    optimizer = true,
    metadata = {},
  }: { optimizer?: boolean; metadata?: Readonly<Record<string, string>> } = {},
): Promise<Uint8Array> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of Object.entries(optimizer ? state : weightsOf(state))) {
    tensors.set(name, store(tensor));
  }
  const file = writeSafetensors(tensors, {
    ...metadata,
    ...UNSEALED,
    [FORMAT]: CURRENT_FORMAT,
    [POSITION]: JSON.stringify(at),
  });
  await seal(file);
  return file;
}

function store({ data, shape }: HostTensor): StoredTensor {
  return data instanceof Float32Array
    ? { dtype: 'F32', shape, data }
    : { dtype: 'I64', shape, data: BigInt64Array.from(data, BigInt) };
}

/** Whether a file's metadata are those of a checkpoint of a run of Fovea, of whatever version. */
export function isCheckpoint(metadata: Readonly<Record<string, string>>): boolean {
  return Object.hasOwn(metadata, POSITION);
}

/** What a checkpoint holds. */
export interface Checkpoint {
  readonly state: HostTensors;
  readonly position: Position;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a checkpoint.
 * @param file its name, for messages
 * @throws FileError if it is no checkpoint of a training run, is damaged, or is of a format that
 *   another version of Fovea writes
 */
export async function readCheckpoint(bytes: Uint8Array, file: string): Promise<Checkpoint> {
  const { tensors, metadata } = readSafetensors(bytes, file);
  await checkSeal(bytes, metadata, file);
  const text = metadata[POSITION];
  const format = metadata[FORMAT] ?? '1';
  if (text !== undefined && format !== CURRENT_FORMAT) {
    throw new FileError(
      `${file} is a checkpoint of another version of Fovea, of format ${format}; this one reads ` +
        `format ${CURRENT_FORMAT}. Go on with the version that wrote it.`,
    );
  }
  const parsed = text === undefined ? undefined : position.safeParse(parseJson(text));
  if (!parsed?.success) {
    throw new FileError(
      `${file} holds weights, but not the position of a training run to go on from.`,
    );
  }
  const state = [...tensors].map(([name, { shape, data }]): [string, HostTensor] => [
    name,
    data instanceof Float32Array
      ? { dtype: 'float32', shape, data }
      : { dtype: 'int32', shape, data: Int32Array.from(data, Number) },
  ]);
  // Not by assignment, which takes a tensor called __proto__ for something else.
  return { state: Object.fromEntries(state), position: parsed.data, metadata };
}

/**
 * Refuses a file that is not as it was sealed. Weights of other programs, which carry no seal, pass.
 * @param bytes a whole safetensors file
 * @param metadata what it holds
 * @param file its name, for the message
 * @throws FileError if its checksum does not hold, or is missing from a checkpoint
 */
export async function checkSeal(
  bytes: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  file: string,
): Promise<void> {
  if ((await isIntact(bytes)) ?? metadata[FORMAT] === undefined) return;
  throw new FileError(
    `${file} is damaged: its content does not have the checksum (SHA-256) that it was written with.`,
  );
}

/**
 * Checks that a checkpoint holds what a run goes on from, no more and no less.
 * @param expected the state that the run would start with
 * @throws FileError naming the tensors that are missing, unknown or of another shape
 */
export function checkState(state: HostTensors, expected: HostTensors, file: string): void {
  const names = new Set([...Object.keys(expected), ...Object.keys(state)]);
  const wrong = [...names].flatMap((name) => {
    const [found, wanted] = [state, expected].map((all) =>
      // Every object has a property called constructor.
      Object.hasOwn(all, name) ? all[name] : undefined,
    );
    if (found === undefined) return [`${name} is missing`];
    if (wanted === undefined) return [`${name} is unknown`];
    if (found.dtype === wanted.dtype && sameShape(found.shape, wanted.shape)) return [];
    return [
      `${name} is ${found.dtype} ${formatShape(found.shape)}, expected ${wanted.dtype} ${formatShape(wanted.shape)}`,
    ];
  });
  if (wrong.length === 0) return;
  const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : '';
  throw new FileError(
    `${file} does not fit the run's config.json: ${wrong.slice(0, 3).join('; ')}${more}.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Checkpoints: a run's state and position as one safetensors file. */
import { z } from 'zod';
import { FileError } from '../errors.js';
import type { HostTensor, HostTensors } from '../runtime/engine.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../weights/safetensors.js';
import { OPTIMIZER } from './step.js';
import type { Position } from './train.js';

const tally = z.object({
  images: z.number(),
  loss: z.number(),
  top1: z.number(),
  top5: z.number(),
});

const epochMetrics = z.object({
  epoch: z.number(),
  lr: z.number(),
  train_loss: z.number(),
  train_top1: z.number(),
  val_loss: z.number(),
  val_top1: z.number(),
  val_top5: z.number(),
  seconds: z.number(),
  images_per_second: z.number(),
});

const position = z.object({
  epoch: z.number(),
  iteration: z.number(),
  tally,
  seconds: z.number(),
  metrics: z.array(epochMetrics),
});

/** The key of the metadata under which a checkpoint keeps its position. */
const POSITION = 'fovea.position';

/**
 * Parameters, buffers and, unless left out, the optimiser's slots, by name, with the position.
 * Integer buffers are stored as I64, as PyTorch does.
 */
export function writeCheckpoint(
  state: HostTensors,
  at: Position,
  {
    optimizer = true,
    metadata = {},
  }: { optimizer?: boolean; metadata?: Record<string, string> } = {},
): Uint8Array {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of Object.entries(state)) {
    if (optimizer || !name.startsWith(OPTIMIZER)) tensors.set(name, store(tensor));
  }
  return writeSafetensors(tensors, { ...metadata, [POSITION]: JSON.stringify(at) });
}

function store({ data, shape }: HostTensor): StoredTensor {
  return data instanceof Float32Array
    ? { dtype: 'F32', shape, data }
    : { dtype: 'I64', shape, data: BigInt64Array.from(data, BigInt) };
}

/**
 * Reads a checkpoint.
 * @param file its name, for messages
 * @throws FileError if it is no checkpoint of a training run, or is damaged
 */
export function readCheckpoint(
  bytes: Uint8Array,
  file: string,
): { state: HostTensors; position: Position } {
  const { tensors, metadata } = readSafetensors(bytes, file);
  const text = metadata[POSITION];
  const parsed = text === undefined ? undefined : position.safeParse(parseJson(text));
  if (!parsed?.success) {
    throw new FileError(
      `${file} holds weights, but not the position of a training run to go on from.`,
    );
  }
  const state: Record<string, HostTensor> = {};
  for (const [name, { shape, data }] of tensors) {
    state[name] =
      data instanceof Float32Array
        ? { dtype: 'float32', shape, data }
        : { dtype: 'int32', shape, data: Int32Array.from(data, Number) };
  }
  return { state, position: parsed.data };
}

/**
 * Checks that a checkpoint holds what a run goes on from, no more and no less.
 * @param expected the state that the run would start with
 * @throws FileError naming the tensors that are missing, unknown or of another shape
 */
export function checkState(state: HostTensors, expected: HostTensors, file: string): void {
  const names = new Set([...Object.keys(expected), ...Object.keys(state)]);
  const wrong = [...names].flatMap((name) => {
    const [found, wanted] = [state[name], expected[name]];
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

/** What Fovea itself leaves on the disk: runs, comparisons, and golden cases. Anyone may edit them. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FoveaError } from '../../../src/errors.js';
import { readResults } from '../../../src/experiments/node/read-results.js';
import { writeReport } from '../../../src/experiments/node/report.js';
import { writeSyntheticComparison } from '../../../src/experiments/testing/synthetic.js';
import { verifyCase } from '../../../src/parity/verify.js';
import type { HostTensors } from '../../../src/runtime/engine.js';
import { Runtime } from '../../../src/runtime/runtime.js';
import { readCheckpoint, writeCheckpoint } from '../../../src/training/checkpoint.js';
import { findCheckpoint } from '../../../src/training/node/checkpoints.js';
import { RunFolder } from '../../../src/training/node/run-folder.js';
import { makeRecipe } from '../../../src/training/recipe.js';
import { once, type Mutate } from '../dice.js';
import { concat, encode, flipOneBit, mutateBytes } from '../mutations/bytes.js';
import { mutateMetadata, mutateSafetensors } from '../mutations/safetensors.js';
import { mutateJson, mutateLines } from '../mutations/text.js';
import { fixtures, type Reader } from '../reader.js';
import { refusedOrSame } from './damage.js';

const STATE: HostTensors = {
  'conv.weight': { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  'bn.num_batches_tracked': { dtype: 'int32', shape: [], data: Int32Array.of(7) },
};

const METRICS = {
  epoch: 1,
  lr: 0.1,
  train_loss: 2,
  train_top1: 20,
  val_loss: 2.5,
  val_top1: 25,
  val_top5: 55,
  seconds: 10,
  images_per_second: 100,
};

const checkpoint = (): Promise<Uint8Array> =>
  writeCheckpoint(
    STATE,
    {
      epoch: 1,
      iteration: 3,
      tally: { examples: 30, sums: { loss: [60], 'metric.top1': [5], 'metric.top5': [20] } },
      seconds: 10,
      metrics: [METRICS],
    },
    { metadata: { 'fovea.versions': '{"node":"v20.19.0","fovea":"0.1.0"}' } },
  );

/** A mutation after which the checksum inside holds again, as if it had been meant. */
function resealed(mutate: Mutate): Mutate {
  return (random, bytes, other) => {
    const edited = Buffer.from(mutate(random, bytes, other));
    const key = '"fovea.sha256":"';
    const at = edited.indexOf(key);
    if (at < 0) return edited;
    const start = at + key.length;
    edited.fill('0', start, Math.min(start + 64, edited.length));
    edited.write(createHash('sha256').update(edited).digest('hex'), start, 'latin1');
    return edited;
  };
}

const KEYS = ['fovea.position', 'fovea.position', 'fovea.format', 'fovea.versions'];

const RUN = 'runs/cbam-seed1';

/** The files of a comparison that are read again, and how they are edited. */
const FILES: ReadonlyMap<string, Mutate> = new Map([
  ['compare.json', mutateJson],
  ['ledger.json', mutateJson],
  ['latency.json', mutateJson],
  [`${RUN}/summary.json`, mutateJson],
  [`${RUN}/metrics.jsonl`, mutateLines],
  [`${RUN}/explanation/index.json`, mutateJson],
]);

/** A comparison's folder, made once in each folder that a reader is given. */
async function comparison(folder: string): Promise<string> {
  const path = join(folder, 'comparison');
  if (!existsSync(path)) {
    const options = { attention: 'none,cbam', seeds: 1, epochs: 2, images: 1 };
    await writeSyntheticComparison(path, options);
  }
  return path;
}

/** The first line of an input is the name of a file, the rest its content. */
function named(input: Uint8Array): [file: string, content: Uint8Array] {
  const end = input.indexOf(0x0a);
  return [new TextDecoder().decode(input.subarray(0, end)), input.subarray(end + 1)];
}

const mutateNamed: Mutate = (random, bytes, other) => {
  const [file, content] = named(bytes);
  const mutate = once(random, 6) ? mutateBytes : (FILES.get(file) ?? mutateBytes);
  return concat(encode(`${file}\n`), mutate(random, content, named(other)[1]));
};

/** A reader of a comparison's folder in which one file is the input, and all others are as they were. */
function comparisonReader(
  about: Pick<Reader, 'name' | 'what' | 'slow'>,
  read: (path: string) => Promise<unknown>,
): Reader {
  return {
    ...about,
    seeds: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'fovea-fuzz-seeds-'));
      try {
        const path = await comparison(folder);
        return [...FILES.keys()].map((file) =>
          concat(encode(`${file}\n`), readFileSync(join(path, file))),
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    mutations: [mutateNamed],
    blind: false,
    read: async (input, folder) => {
      const [file, content] = named(input);
      const path = await comparison(folder);
      const place = join(path, file);
      const before = readFileSync(place);
      writeFileSync(place, content);
      try {
        return await read(path);
      } finally {
        writeFileSync(place, before);
      }
    },
  };
}

/** What the engine below ends a case with, when the case has become a graph in ONNX. */
const REACHED = 'The case has become a graph.';
const reached = (): Promise<never> => Promise.reject(new FoveaError(REACHED));

/** Computes nothing: what is tried is the way from a file to a graph. */
const runtime = new Runtime(
  'cpu',
  {
    blockSize: () => Promise.resolve(8),
    load: reached,
    run: reached,
    unload: reached,
    createState: reached,
    readState: reached,
    disposeState: reached,
  },
  () => Promise.resolve(),
);

/** Verifies a case up to the run. What has no words of Fovea's is put in some, and is a fault here all the same. */
async function verifyUpToRun(input: Uint8Array): Promise<void> {
  const { message } = await verifyCase('input', () => Promise.resolve(input), runtime);
  if (message === REACHED) return;
  const foreign = message.startsWith("The module could not be run on the case's tensors:");
  throw foreign ? new Error(message) : new FoveaError(message);
}

export const runsReaders: readonly Reader[] = [
  {
    name: 'golden',
    what: 'golden cases: read, built, and made an ONNX graph with gradients',
    seeds: () => [
      ...fixtures('golden', '.safetensors').filter(({ length }) => length < 12_000),
      ...fixtures('cases', '.safetensors').filter(({ length }) => length < 12_000),
    ],
    mutations: [
      mutateMetadata(['config', 'config', 'config', 'module', 'near_zero_grads']),
      mutateSafetensors,
    ],
    read: verifyUpToRun,
  },
  {
    name: 'checkpoint',
    what: 'checkpoints with a checksum that holds',
    seeds: async () => [await checkpoint()],
    mutations: [resealed(mutateSafetensors), resealed(mutateMetadata(KEYS))],
    read: (input) => readCheckpoint(input, 'input'),
  },
  {
    name: 'checkpoint-of-run',
    what: 'the last checkpoint of a run to go on from',
    seeds: async () => [await checkpoint()],
    mutations: [resealed(mutateMetadata(KEYS))],
    blind: false,
    read: async (input, folder) => {
      const run = join(folder, 'run');
      mkdirSync(run, { recursive: true });
      writeFileSync(join(run, 'config.json'), JSON.stringify(makeRecipe({})));
      writeFileSync(join(run, 'last.safetensors'), input);
      const { folder: opened } = await RunFolder.open(run);
      return findCheckpoint(opened, STATE);
    },
  },
  refusedOrSame({
    name: 'damaged-checkpoint',
    what: 'one bit of a checkpoint turned over: refused, or read as before',
    seed: checkpoint,
    mutation: flipOneBit,
    read: (input) => readCheckpoint(input, 'input'),
  }),
  {
    name: 'config.json',
    what: 'config.json of a run',
    seeds: () => [encode(JSON.stringify(makeRecipe({ attention: 'se', stages: [1, 2] })))],
    mutations: [mutateJson],
    read: (input, folder) => {
      const run = join(folder, 'run');
      mkdirSync(run, { recursive: true });
      writeFileSync(join(run, 'config.json'), input);
      return RunFolder.open(run);
    },
  },
  comparisonReader(
    {
      name: 'results',
      what: 'the files of a comparison: settings, ledger, metrics, explanation, ..',
    },
    readResults,
  ),
  comparisonReader(
    { name: 'report', what: 'the files of a comparison, and the report made of them', slow: true },
    writeReport,
  ),
];

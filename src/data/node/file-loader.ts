/** Batches of picture files, made by threads. */
import { RequestError } from '../../errors.js';
import { kindOf, type Augmentation } from '../augmentation.js';
import { augmentations } from '../augmentations/registry.js';
import type { BatchLoader, BatchPlan, BatchRequest } from '../batches.js';
import { emptyFields, placeExample, type BatchFields } from '../place-example.js';
import { openPool, type DecodePool } from './decode-pool.js';
import type { DecodeContext, FileEntry } from './decode-tasks.js';

/**
 * Examples that a thread makes at a time: few enough that all threads work on the batch that is waited
 * for, and enough that messages cost nothing beside them.
 */
const AT_ONCE = 8;

/** The kinds that are there from the start: threads have them too, unlike those that a program adds. */
const BUILT_IN: ReadonlySet<object> = new Set(augmentations.list());

/** Whether a thread can make the same augmentation of its name and options. */
function isThreadable(augmentation: Augmentation): boolean {
  const kind = kindOf(augmentation);
  return kind !== undefined && BUILT_IN.has(kind);
}

/** Some examples of a batch. */
interface Part {
  readonly first: number;
  readonly indices: readonly number[];
  readonly files: readonly FileEntry[];
}

/**
 * Starts threads that make batches. An example depends on its file and on (seed, epoch, index) alone, so
 * neither the number of threads nor the order of their answers changes a bit.
 *
 * @param context what all batches have in common; its plan says how they are made
 * @param files of the data set, by place
 */
export function openFileLoader(
  context: DecodeContext & { readonly plan: BatchPlan },
  files: readonly FileEntry[],
  workers: number,
): BatchLoader {
  const { info, plan } = context;
  // A function of the program's own exists in this thread only.
  const whole = plan.augment.every(isThreadable);
  const pool = openPool(whole ? context : { root: context.root, info }, workers);
  const add = whole ? addFields : addExamples;
  return {
    async load({ indices, sources = indices, epoch }) {
      const batch = emptyFields(plan.fields, info, indices.length);
      const chosen = Array.from(sources, (source) => {
        const file = files[source];
        if (file) return file;
        throw new RequestError(
          `There is no image ${source} in ${info.name}: expected 0 to ${files.length - 1}.`,
        );
      });
      const parts: Part[] = [];
      for (let first = 0; first < chosen.length; first += AT_ONCE) {
        const end = first + AT_ONCE;
        parts.push({
          first,
          indices: [...indices.subarray(first, end)],
          files: chosen.slice(first, end),
        });
      }
      await Promise.all(parts.map((part) => add(pool, context, part, epoch, batch)));
      return batch;
    },
    close: () => pool.close(),
  };
}

async function addFields(
  pool: DecodePool,
  _: DecodeContext & { readonly plan: BatchPlan },
  { first, indices, files }: Part,
  epoch: BatchRequest['epoch'],
  batch: BatchFields,
): Promise<void> {
  const keys = epoch === undefined ? {} : { epoch };
  const made = await pool.run({ kind: 'fields', files, indices, ...keys });
  for (const [name, values] of Object.entries(made)) {
    batch[name]?.set(values, first * (values.length / files.length));
  }
}

async function addExamples(
  pool: DecodePool,
  { info, plan }: DecodeContext & { readonly plan: BatchPlan },
  { first, indices, files }: Part,
  epoch: BatchRequest['epoch'],
  batch: BatchFields,
): Promise<void> {
  const examples = await pool.run({ kind: 'examples', files });
  for (const [i, example] of examples.entries()) {
    placeExample(plan, info, example, batch, first + i, {
      index: indices[i] ?? NaN,
      name: files[i]?.path ?? '',
      ...(epoch !== undefined && { epoch }),
    });
  }
}

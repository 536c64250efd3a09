/**
 * Looking through all pictures of a data set, once: which are broken, and mean and deviation of the
 * others. What is found is kept in a file under a key of everything that it depends on.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FoveaError } from '../../errors.js';
import { asFileError, makeFolder, readJsonFile, writeJsonFile } from '../../formats/node/files.js';
import { normalizationOf, type Normalization, type Split } from '../dataset.js';
import { openPool } from './decode-pool.js';
import { pathOf, type DecodeContext, type FileEntry } from './decode-tasks.js';
import type { ScanProgress } from './file-options.js';

/** To be raised when the same pictures would be decoded or resized to other numbers. */
const VERSION = 1;
/** Pictures of one task. */
const AT_ONCE = 16;
/** Files asked for their size at a time. */
const STATS_AT_ONCE = 64;

const findingsSchema = z.strictObject({
  version: z.literal(VERSION),
  key: z.string(),
  /** Pictures that cannot be used, and why. */
  broken: z.array(z.strictObject({ path: z.string(), reason: z.string() })),
  /** Of the training pictures that can be used; null if there are none. */
  normalization: z.strictObject({ mean: z.array(z.number()), std: z.array(z.number()) }).nullable(),
  /** How often each number occurs in the masks of the training pictures and the others. */
  maskCounts: z.array(z.number()).length(256),
});

/** What looking through a data set tells. */
export type Findings = z.infer<typeof findingsSchema>;

/** What is looked through. */
export interface Scan {
  readonly context: DecodeContext;
  readonly files: Readonly<Record<Split, readonly FileEntry[]>>;
  /** See `DecodeTask`. */
  readonly pixelClasses?: number;
  readonly workers: number;
  /** The folder of the file that keeps the findings, or false. */
  readonly cache: string | false;
  readonly onProgress?: ((progress: ScanProgress) => void) | undefined;
}

/**
 * Looks through all pictures, or finds what was found before.
 * @returns the findings, and a note where they could not be kept
 */
export async function scanPictures(
  scan: Scan,
): Promise<{ readonly findings: Findings; readonly notes: readonly string[] }> {
  const { cache } = scan;
  if (cache === false) return { findings: await look(scan, ''), notes: [] };
  const key = await keyOf(scan);
  const file = join(cache, `${key.slice(0, 24)}.json`);
  const kept = findingsSchema.safeParse(await readJsonFile(file).catch(() => undefined));
  if (kept.success && kept.data.key === key) return { findings: kept.data, notes: [] };
  const findings = await look(scan, key);
  try {
    await makeFolder(cache);
    await writeJsonFile(file, findings);
    return { findings, notes: [] };
  } catch (error) {
    if (!(error instanceof FoveaError)) throw error;
    const note = `What was found out about the pictures could not be kept, so they are looked through at every start. ${error.message} Another folder can be given as the option cache.`;
    return { findings, notes: [note] };
  }
}

/** Of everything that the findings depend on: files by name, size and time of change, and what is made of them. */
async function keyOf({ context, files, pixelClasses }: Scan): Promise<string> {
  const { channels, height, width } = context.info;
  const hash = createHash('sha256');
  hash.update(JSON.stringify([VERSION, channels, height, width, pixelClasses ?? null]));
  for (const split of ['train', 'val'] as const) {
    const all = files[split];
    for (let start = 0; start < all.length; start += STATS_AT_ONCE) {
      const lines = all
        .slice(start, start + STATS_AT_ONCE)
        .map(async ({ path, mask }) => [
          split,
          ...(await stateOf(context.root, path)),
          ...(mask === undefined ? [] : await stateOf(context.root, mask)),
        ]);
      hash.update(JSON.stringify(await Promise.all(lines)));
    }
  }
  return hash.digest('hex');
}

/** A file that is not there is found to be broken when it is read. */
async function stateOf(root: string, path: string): Promise<(string | number)[]> {
  try {
    const { size, mtimeMs } = await stat(pathOf(root, path));
    return [path, size, mtimeMs];
  } catch (error) {
    if (asFileError(error, 'read', path) === error) throw error;
    return [path, 'missing'];
  }
}

async function look(
  { context, files, pixelClasses, workers, onProgress }: Scan,
  key: string,
): Promise<Findings> {
  const all = [...files.train, ...files.val];
  const counts = Array.from({ length: context.info.channels }, () => new Float64Array(256));
  const maskCounts = new Float64Array(256);
  const broken: Findings['broken'] = [];
  let done = 0;
  const pool = openPool(context, workers);
  const lookAt = async (start: number): Promise<void> => {
    const some = all.slice(start, start + AT_ONCE);
    const seen = await pool.run({
      kind: 'look',
      files: some,
      counted: some.map((_, i) => start + i < files.train.length),
      ...(pixelClasses !== undefined && { pixelClasses }),
    });
    for (const [place, reason] of seen.problems) {
      const path = some[place]?.path;
      if (path !== undefined) broken.push({ path, reason });
    }
    // Whole numbers: the order in which threads answer does not matter.
    counts.forEach((histogram, channel) => {
      addTo(histogram, seen.counts.subarray(channel * 256, (channel + 1) * 256));
    });
    addTo(maskCounts, seen.maskCounts);
    done += some.length;
    onProgress?.({ done, total: all.length });
  };
  try {
    const starts = Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, i) => i * AT_ONCE);
    await Promise.all(starts.map(lookAt));
  } finally {
    await pool.close();
  }
  const places = new Map(all.map(({ path }, i) => [path, i]));
  broken.sort((one, other) => (places.get(one.path) ?? 0) - (places.get(other.path) ?? 0));
  return {
    version: VERSION,
    key,
    broken,
    normalization: normalizationIfAny(counts),
    maskCounts: [...maskCounts],
  };
}

function addTo(sums: Float64Array, more: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] ?? 0) + (more[i] ?? 0);
}

function normalizationIfAny(counts: readonly Float64Array[]): Findings['normalization'] {
  const seen = counts[0]?.some((count) => count > 0) ?? false;
  if (!seen) return null;
  const { mean, std }: Normalization = normalizationOf(counts);
  return { mean: [...mean], std: [...std] };
}

/** Reads a comparison's folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { FileError } from '../../errors.js';
import { parseJson, readFileChecked, readJsonFile } from '../../formats/node/files.js';
import { explanationSchema } from '../../explain/explanation.js';
import {
  evaluationSchema,
  latencySchema,
  ledgerSchema,
  runConfigSchema,
  runSummarySchema,
  type Results,
  type RunResults,
  type RunStateName,
} from '../results.js';
import type { PlannedRun } from '../settings.js';
import { epochMetricsSchema } from '../../training/metrics.js';
import { Comparison } from './comparison.js';
import { checkInside } from '../../explain/node/inside.js';

/** So many problems of a file are told; there may be one for each of its entries. */
const MOST_PROBLEMS = 3;

type Ledger = z.output<typeof ledgerSchema>['runs'];

/**
 * Everything that a comparison has left in its folder so far. The run folders are the truth; the
 * ledger only tells a run that failed from one that was stopped.
 * @throws RequestError if the folder is not a comparison's
 * @throws FileError naming the file that is damaged, or leads out of the folder
 */
export async function readResults(path: string): Promise<Results> {
  await checkInside(path, join(path, 'compare.json'));
  const { settings, plan } = await Comparison.read(path);
  const latency = (await readJson(path, 'latency.json', latencySchema)) ?? {};
  const ledger = (await readJson(path, 'ledger.json', ledgerSchema))?.runs ?? [];
  const runs = new Map(
    await Promise.all(
      plan.map(async (run) => [run.name, await readRun(path, run, ledger)] as const),
    ),
  );
  return {
    settings,
    variants: settings.variants.map((variant) => ({
      variant,
      latency: latency[variant.label] ?? null,
      runs: plan.flatMap(({ name, variant: { label } }) => {
        const run = label === variant.label ? runs.get(name) : undefined;
        return run ? [run] : [];
      }),
    })),
  };
}

async function readRun(
  path: string,
  { name, seed }: PlannedRun,
  ledger: Ledger,
): Promise<RunResults> {
  const folder = `runs/${name}`;
  const summary = await readJson(path, `${folder}/summary.json`, runSummarySchema);
  const config = await readJson(path, `${folder}/config.json`, runConfigSchema);
  const noted = ledger.find((entry) => entry.name === name);
  return {
    name,
    seed,
    folder,
    state: stateOf(summary !== null, config !== null, noted?.state),
    message: summary === null ? (noted?.message ?? null) : null,
    info: config?.info ?? null,
    metrics: await readLines(path, `${folder}/metrics.jsonl`, epochMetricsSchema),
    summary,
    evaluation: summary && (await readJson(path, `${folder}/evaluation.json`, evaluationSchema)),
    explanation: await readJson(path, `${folder}/explanation/index.json`, explanationSchema),
  };
}

function stateOf(done: boolean, begun: boolean, noted: RunStateName | undefined): RunStateName {
  if (done) return 'done';
  if (noted === 'failed' || (begun && noted === 'running')) return noted;
  return begun ? 'stopped' : 'waiting';
}

/** A JSON file's content, or null if there is none. */
async function readJson<S extends z.ZodType>(
  root: string,
  name: string,
  schema: S,
): Promise<z.output<S> | null> {
  const path = join(root, name);
  if (!existsSync(path)) return null;
  await checkInside(root, path);
  return checked(await readJsonFile(path), schema, path);
}

/** A file of one JSON value per line; no lines if there is none. */
async function readLines<S extends z.ZodType>(
  root: string,
  name: string,
  schema: S,
): Promise<z.output<S>[]> {
  const path = join(root, name);
  if (!existsSync(path)) return [];
  await checkInside(root, path);
  const text = new TextDecoder().decode(await readFileChecked(path));
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, i) => {
    const where = `${path}, line ${i + 1},`;
    return checked(parseJson(line, where), schema, where);
  });
}

function checked<S extends z.ZodType>(value: unknown, schema: S, where: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const problems = issues
    .slice(0, MOST_PROBLEMS)
    .map((issue) => `${issue.path.join('.') || 'content'}: ${issue.message}`);
  const more = issues.length > MOST_PROBLEMS ? `; and ${issues.length - MOST_PROBLEMS} more` : '';
  throw new FileError(`${where} is not as expected. ${problems.join('; ')}${more}.`);
}

/** Comparisons as a program of one's own makes them, with the compiled package. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReportData } from '../report/data.js';
import { parseVariants, type CompareSettings } from '../settings.js';
import { Comparison, type CompareRequest } from './comparison.js';

const dist = (path: string): string => new URL(`../../../dist/${path}`, import.meta.url).href;

/** Tell the number of an image's class as a number: its squared error is what counts. */
const TASK = `
import { field } from '${dist('data/fields.js')}';
import { task } from '${dist('tasks/task.js')}';

export const numbering = task({
  id: 'numbering',
  inputs: { images: field.image(), labels: field.label() },
  outputs: 1,
  loss: (output, { labels }) => error(output, labels).mean(),
  metrics: { error: (output, { labels }) => error(output, labels) },
  primary: { name: 'error', title: 'squared error', unit: '', better: 'lower' },
});

function error(output, labels) {
  const off = output.sub(labels.reshape([output.dim(0), 1]).cast('float32').div(10));
  return off.mul(off);
}
`;

const PROGRAM = `
import { Comparison } from '${dist('experiments/node/comparison.js')}';
import { conclude } from '${dist('experiments/node/conclude.js')}';

const [path, request] = process.argv.slice(2);
const comparison = await Comparison.open(path, JSON.parse(request));
const states = await comparison.run({ jobs: 1 });
await conclude(comparison);
await comparison.close();
console.log(JSON.stringify([...states]));
`;

/** As little as shows that everything is at work. */
const SMALL = {
  ...{ dataset: 'shapes', model: 'resnet20', limitTrain: 20, limitVal: 10, batchSize: 10 },
  ...{ epochs: 1, lr: 0.001, threads: 1 },
};

let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
const readJson = async (...names: string[]): Promise<unknown> =>
  JSON.parse(await readFile(at(...names), 'utf8'));

/** Runs a comparison in a process of its own; how its runs stand, by name. */
async function compare(
  path: string,
  request: CompareRequest,
): Promise<[string, { state: string; best: number }][]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['program.js', path, JSON.stringify(request)],
    { cwd: folder },
  );
  return JSON.parse(stdout) as [string, { state: string; best: number }][];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-comparison-'));
  await writeFile(at('package.json'), '{"type": "module"}');
  await writeFile(at('numbering.js'), TASK);
  await writeFile(at('program.js'), PROGRAM);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a comparison', () => {
  test('at a task of one’s own trains it in processes that import it, and reports its figure', async () => {
    const states = await compare('own', {
      variants: parseVariants('none,se'),
      seeds: [1, 2],
      recipe: { ...SMALL, imports: ['./numbering.js'], task: 'numbering' },
    });
    expect(states.map(([name, { state }]) => [name, state])).toEqual([
      ['none-seed1', 'done'],
      ['se-seed1', 'done'],
      ['none-seed2', 'done'],
      ['se-seed2', 'done'],
    ]);
    expect(await readJson('own', 'report.json')).toMatchObject({
      complete: true,
      primary: 'mean_best5_error',
      figure: { name: 'error', title: 'squared error', better: 'lower' },
      command: expect.stringContaining('--import ./numbering.js') as string,
    });
    expect(await readJson('own/runs/se-seed2/summary.json')).toMatchObject({
      best_error: states[3]?.[1].best,
    });
    expect(await readFile(at('own', 'report.md'), 'utf8')).toContain(
      'squared error: mean of the best five epochs (± sd) (lower is better)',
    );
  }, 300_000);

  test('of fusions has networks that differ in nothing else, and mean IoU for its figure', async () => {
    await compare('fusions', {
      axis: 'fusion',
      variants: parseVariants('msaa:ratio=2', 'fusion'),
      seeds: [3],
      recipe: { ...SMALL, task: 'segmentation', head: 'danet-head' },
    });
    const configs = await Promise.all(
      ['add-seed3', 'msaa-ratio=2-seed3'].map((run) =>
        readJson('fusions/runs', run, 'config.json'),
      ),
    );
    expect(configs.map((config) => (config as { fusion: string }).fusion)).toEqual([
      'add',
      'msaa:ratio=2',
    ]);
    expect({ ...(configs[0] as object), fusion: '' }).toEqual({
      ...(configs[1] as object),
      fusion: '',
    });
    const report = (await readJson('fusions', 'report.json')) as ReportData;
    expect(report).toMatchObject({ complete: true, baseline: 'add', primary: 'mean_best5_miou' });
    const [add, msaa] = report.mechanisms;
    expect(msaa?.params?.value).toBeGreaterThan(add?.params?.value ?? Infinity);
    expect(msaa?.latency?.value).toBeGreaterThan(0);
    expect(report.classes).toHaveLength(11);
    expect(msaa?.classes?.figures['iou']).toHaveLength(11);
    expect(await readJson('fusions', 'ledger.json')).toMatchObject({
      runs: [{ label: 'add' }, { label: 'msaa:ratio=2' }],
    });
  }, 300_000);
});

describe('opening a comparison', () => {
  const open = async (path: string, request: CompareRequest): Promise<CompareSettings> => {
    const comparison = await Comparison.open(at(path), request);
    await comparison.close();
    return comparison.settings;
  };

  test('of fusions refuses a task whose networks have none, before anything is written', async () => {
    await expect(open('refused', { axis: 'fusion', recipe: SMALL })).rejects.toThrow(
      /The fusion is a part of networks for segmentation, .* Add --task segmentation\./,
    );
    expect(existsSync(at('refused'))).toBe(false);
  });

  test('goes on with the part that is compared there, and refuses another', async () => {
    const recipe = { ...SMALL, task: 'segmentation' };
    const made = await open('heads', { axis: 'head', recipe });
    expect(made.variants.map(({ label }) => label)).toEqual(['plain', 'danet-head']);
    expect(await open('heads', { recipe: {} })).toEqual(made);
    const other = open('heads', { axis: 'fusion', recipe: {} });
    await expect(other).rejects.toThrow('head: plain,danet-head there, not set asked for');
  });
});

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { writeSyntheticComparison } from '../testing/synthetic.js';
import { readResults } from './read-results.js';
import { writeReport } from './report.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-report-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

describe('a report written from a folder', () => {
  test('has its four files; every source that report.json names is there and holds the value', async () => {
    await writeSyntheticComparison(folder, { seeds: 2, epochs: 6, images: 2 });
    const { page } = await writeReport(folder);
    expect(page).toBe(join(folder, 'report.html'));
    const report = JSON.parse(await read('report.json')) as unknown;
    const figures = sourced(report);
    // Of 3 mechanisms: parameters, multiply-adds, latency, and 4 figures of 2 seeds.
    expect(figures.filter(({ value }) => value !== undefined).length).toBeGreaterThanOrEqual(33);
    for (const { source } of figures) expect(existsSync(join(folder, source))).toBe(true);
    const params = figures.find(({ source }) => source === 'runs/cbam-seed1/summary.json');
    expect(await read('runs/cbam-seed1/summary.json')).toContain(
      `"params": ${params?.value ?? ''},`,
    );
    expect(await read('report.csv')).toContain('cbam,params,,,');
    expect(await read('report.md')).toContain('| cbam |');
  });

  test('carries its pictures with it', async () => {
    await writeSyntheticComparison(folder, { seeds: 1, epochs: 1, images: 2 });
    const { page } = await writeReport(folder);
    const pictures = [...(await readFile(page, 'utf8')).matchAll(/<img\s+src="([^"]*)"/g)];
    // Two images; Grad-CAM of three networks; cbam's spatial gate in three stages.
    expect(pictures).toHaveLength(2 + 2 * 3 + 2 * 3);
    const original = await readFile(join(folder, 'runs/none-seed1/explanation/image-1.png'));
    expect(pictures.map(([, uri]) => uri)).toContain(
      `data:image/png;base64,${original.toString('base64')}`,
    );
  });

  test('carries masks with it, and the figures of the classes', async () => {
    await writeSyntheticComparison(folder, {
      axis: 'head',
      variants: 'plain,danet-head',
      figure: { name: 'miou', title: 'mean IoU', unit: '%', better: 'higher' },
      seeds: 2,
      epochs: 1,
      images: 1,
      masks: true,
      classes: ['background', 'circle'],
    });
    const { report, page } = await writeReport(folder);
    expect(report.classes).toEqual(['background', 'circle']);
    expect(report.mechanisms[1]?.classes?.sources).toEqual([
      'runs/danet-head-seed1/evaluation.json',
      'runs/danet-head-seed2/evaluation.json',
    ]);
    const mask = await readFile(
      join(folder, 'runs/danet-head-seed1/explanation/mask-predicted-0.png'),
    );
    expect(await readFile(page, 'utf8')).toContain(mask.toString('base64'));
  });

  test('is written anew, byte for byte the same', async () => {
    await writeSyntheticComparison(folder, { epochs: 2 });
    await writeReport(folder);
    const before = await Promise.all(['report.html', 'report.json', 'report.csv'].map(read));
    await writeReport(folder);
    expect(await Promise.all(['report.html', 'report.json', 'report.csv'].map(read))).toEqual(
      before,
    );
  });

  test('of an unfinished comparison says how far it is', async () => {
    await writeSyntheticComparison(folder, { seeds: 2, epochs: 4, done: 4 });
    const { report } = await writeReport(folder);
    expect(report).toMatchObject({ complete: false, done: 4, planned: 6 });
    expect(report.runs.map(({ state }) => state).sort()).toEqual(
      ['done', 'done', 'done', 'done', 'running', 'waiting'].sort(),
    );
  });
});

/** A summary whose figure is not there. */
const SUMMARY_WITHOUT_BEST = JSON.stringify({
  best_top1: 'high',
  mean_best5_top1: 50,
  last_top1: null,
  params: 1,
  macs: 1,
  epochs: 1,
  versions: {},
});

describe('reading a folder', () => {
  test('takes the run folders for the truth, and the ledger only for why a run failed', async () => {
    await writeSyntheticComparison(folder, { variants: 'none,se', seeds: 2, done: 2 });
    const ledger = ['none-seed1', 'se-seed1', 'none-seed2', 'se-seed2'].map((name) => ({
      name,
      state: 'failed',
      message: 'The loss is no longer finite.',
    }));
    await writeFile(join(folder, 'ledger.json'), JSON.stringify({ runs: ledger }));
    const { variants } = await readResults(folder);
    expect(variants.map(({ runs }) => runs.map(({ state }) => state))).toEqual([
      ['done', 'failed'],
      ['done', 'failed'],
    ]);
    expect(variants[0]?.runs.map(({ message }) => message)).toEqual([
      null,
      'The loss is no longer finite.',
    ]);
  });

  test('refuses a folder that is not a comparison', async () => {
    await expect(writeReport(folder)).rejects.toThrow(RequestError);
    await expect(writeReport(folder)).rejects.toThrow('compare.json');
  });

  test.each([
    ['runs/se-seed1/summary.json', '{"best_top1": 50', 'is not valid JSON'],
    ['runs/se-seed1/summary.json', '{"best_top1": 50}', 'params'],
    ['runs/se-seed1/summary.json', SUMMARY_WITHOUT_BEST, 'best_top1: expected a number'],
    ['runs/se-seed1/evaluation.json', '{"classes": ["a"]}', 'per_class'],
    ['runs/none-seed1/metrics.jsonl', '{"epoch":1}\n', 'metrics.jsonl, line 1, is not as expected'],
    ['latency.json', '[]', 'latency.json'],
    ['ledger.json', `{"runs": [${'1,'.repeat(99)}1]}`, /^.{1,400}; and 97 more\.$/],
  ])('names the file that is damaged: %s', async (name, content, message) => {
    await writeSyntheticComparison(folder, { seeds: 1, epochs: 1 });
    await writeFile(join(folder, name), content);
    await expect(writeReport(folder)).rejects.toThrow(FileError);
    await expect(writeReport(folder)).rejects.toThrow(message);
  });
});

describe('a folder that came from elsewhere', () => {
  const SECRET = 'nobody is to see this';
  let outside: string;
  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), 'fovea-outside-'));
    await writeFile(join(outside, 'secret'), SECRET);
    await writeSyntheticComparison(folder, { seeds: 1, epochs: 1, images: 1 });
  });
  afterEach(() => rm(outside, { recursive: true, force: true }));

  const refused = async (reason: RegExp) => {
    await expect(writeReport(folder)).rejects.toThrow(FileError);
    await expect(writeReport(folder)).rejects.toThrow(reason);
    expect(existsSync(join(folder, 'report.html'))).toBe(false);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe(SECRET);
  };

  test.each([
    'runs/none-seed1/explanation/image-0.png',
    'runs/none-seed1/explanation/index.json',
    'runs/none-seed1/summary.json',
    'runs/none-seed1/metrics.jsonl',
    'runs/none-seed1/evaluation.json',
    'runs/none-seed1/config.json',
    'latency.json',
    'compare.json',
  ])('may not lead out of itself by a link: %s', async (name) => {
    await rm(join(folder, name), { force: true });
    await symlink(join(outside, 'secret'), join(folder, name));
    await refused(/leads out of .* to .*secret: it is not followed/);
  });

  test('may not hold a link to a folder elsewhere', async () => {
    const run = join(folder, 'runs/none-seed1');
    await rename(join(run, 'explanation'), join(outside, 'explanation'));
    await symlink(join(outside, 'explanation'), join(run, 'explanation'));
    await refused(/index\.json leads out of/);
  });

  test.each(['report.html', 'report.csv', 'report.json', 'report.md'])(
    'may not have %s written elsewhere, whether something is there or not',
    async (name) => {
      for (const there of ['secret', 'nothing']) {
        await rm(join(folder, name), { force: true });
        await symlink(join(outside, there), join(folder, name));
        await expect(writeReport(folder)).rejects.toThrow(/leads out of/);
      }
      expect(existsSync(join(outside, 'nothing'))).toBe(false);
      expect(await readFile(join(outside, 'secret'), 'utf8')).toBe(SECRET);
    },
  );

  test.each([
    '../../../../secret',
    '..',
    '.',
    '',
    '/etc/passwd',
    'folder/image.png',
    'folder\\image.png',
    'image\u0000.png',
    'image\u001b[2J.png',
  ])('may not name the picture %j', async (file) => {
    const index = join(folder, 'runs/none-seed1/explanation/index.json');
    const said = JSON.parse(await readFile(index, 'utf8')) as { images: { file: string }[] };
    for (const image of said.images) image.file = file;
    await writeFile(index, JSON.stringify(said));
    await refused(/index\.json is not as expected.* expected the plain name of a file/);
  });

  test('may itself be reached by a link, and have links within', async () => {
    const run = join(folder, 'runs/none-seed1/explanation');
    await rename(join(run, 'image-0.png'), join(run, 'other.png'));
    await symlink('other.png', join(run, 'image-0.png'));
    await symlink(folder, join(outside, 'link'));
    const { report } = await writeReport(join(outside, 'link'));
    expect(report.complete).toBe(true);
  });
});

/** Every object of a report that names the file it comes from. */
function sourced(value: unknown): { source: string; value?: number }[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.values(value).flatMap(sourced);
  const own = value as { source?: unknown; value?: number };
  const isFigure = typeof own.source === 'string' && /\.jsonl?$/.test(own.source);
  return isFigure ? [own as { source: string; value?: number }, ...inside] : inside;
}

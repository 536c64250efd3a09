/**
 * `npm run fuzz -- [--reader NAME ...] [--count 1000000] [--seed 1] [--output FOLDER]`: mutated inputs
 * for every reader, each with a watch on errors, time and memory. With --output, counts go to a file
 * for each reader, and a later call with the same seed and commit goes on from there.
 *
 * `npm run fuzz -- --reader NAME --seed 1 --replay INDEX [--write FILE]`: one input again, in this
 * process, with its error whole; or into a file.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inputOf, seedsOf } from './reader.js';
import { readerOf, readers } from './readers/index.js';
import { noProgress, tryInputs, type Extremes, type Progress } from './supervise.js';

const { values: flags } = parseArgs({
  options: {
    reader: { type: 'string', multiple: true },
    count: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    output: { type: 'string' },
    replay: { type: 'string' },
    write: { type: 'string' },
    list: { type: 'boolean' },
  },
});
const seed = Number(flags.seed);
const chosen = (flags.reader ?? readers.map(({ name }) => name)).map(readerOf);

/** What lies in a reader's file. */
interface Saved extends Progress {
  readonly reader: string;
  readonly what: string;
  readonly seed: number;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  extremes?: Extremes;
}

function git(...words: string[]): string {
  return execFileSync('git', words, { encoding: 'utf8' }).trim();
}

if (flags.list) {
  for (const { name, what } of readers) console.log(`${name.padEnd(28)}${what}`);
} else if (flags.replay !== undefined) {
  await replay(Number(flags.replay));
} else {
  await all(Number(flags.count));
}

async function replay(index: number): Promise<void> {
  for (const reader of chosen) {
    const input = inputOf(reader, await seedsOf(reader), seed, index);
    if (flags.write !== undefined) {
      writeFileSync(flags.write, input);
      continue;
    }
    const folder = mkdtempSync(join(tmpdir(), 'fovea-fuzz-'));
    try {
      console.log(`${reader.name}, input ${index} of seed ${seed}: ${input.length} bytes`);
      console.log(await reader.read(input, folder));
    } catch (error) {
      console.log(error);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

async function all(count: number): Promise<void> {
  const source = git('status', '--porcelain', 'src', 'scripts/fuzz', 'tests/fixtures');
  const commit = `${git('rev-parse', '--short', 'HEAD')}${source === '' ? '' : ' with changes'}`;
  if (flags.output !== undefined) mkdirSync(flags.output, { recursive: true });
  for (const { name, what } of chosen) {
    const file = flags.output && join(flags.output, `${name.replaceAll(/[^\w.-]/g, '-')}.json`);
    const versions = { node: process.version, cpu: cpus()[0]?.model ?? '' };
    const fresh: Saved = { reader: name, what, seed, commit, versions, ...noProgress() };
    const saved = (file && readSaved(file, fresh)) || fresh;
    if (saved.next < count || !saved.extremes) {
      saved.extremes = await tryInputs({ reader: name, seed, count }, saved, () => {
        save(file, saved);
      });
      save(file, saved);
    }
    console.log(line(saved));
    for (const { fault, count: times } of Object.values(saved.tally.faults)) {
      const { kind, index, where, message } = fault;
      console.log(`    ${times} x ${kind} at ${index}, ${where}: ${JSON.stringify(message)}`);
      process.exitCode = 1;
    }
  }
}

/** What was reached before, if it was with the same code. */
function readSaved(file: string, { commit, seed: wanted }: Saved): Saved | undefined {
  if (!existsSync(file)) return undefined;
  const saved = JSON.parse(readFileSync(file, 'utf8')) as Saved;
  return saved.commit === commit && saved.seed === wanted ? saved : undefined;
}

function save(file: string | undefined, saved: Saved): void {
  if (file) writeFileSync(file, `${JSON.stringify(saved, null, 2)}\n`);
}

function line({ reader, tally, extremes }: Saved): string {
  const refused = Object.entries(tally.refused).map(([name, times]) => `${name} ${times}`);
  const faults = Object.values(tally.faults).reduce((total, { count: times }) => total + times, 0);
  const slow = extremes?.slowest?.milliseconds.toFixed(1) ?? '-';
  const large = ((extremes?.largest?.bytes ?? 0) / 1e6).toFixed(1);
  const each = (tally.milliseconds / Math.max(1, tally.inputs)).toFixed(3);
  return (
    `${reader}: ${tally.inputs} inputs, ${tally.read} read, ${refused.join(', ')}; ` +
    `${faults} faults; ${each} ms each, slowest ${slow} ms, largest ${large} MB`
  );
}

/**
 * `npm run fuzz -- [--reader NAME ...] [--count 1000000] [--seed 1] [--output FOLDER]`: mutated inputs
 * for every reader, each with a watch on errors, time and memory. With --output, counts go to a file
 * for each reader, where a later call with the same seed and commit goes on from, and to the table of the
 * folder's README.md.
 *
 * `npm run fuzz -- --reader NAME --seed 1 --replay INDEX [--write FILE]`: one input again, in this
 * process, with its error whole; or into a file.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inputOf, seedsOf } from './reader.js';
import { readerOf, readers } from './readers/index.js';
import { fileOf, readSaved, updateReadme, write, type Saved } from './saved.js';
import { noProgress, tryInputs } from './supervise.js';

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
    const file = flags.output && fileOf(flags.output, name);
    const versions = { node: process.version, cpu: cpus()[0]?.model ?? '' };
    const fresh: Saved = { reader: name, what, seed, commit, versions, ...noProgress() };
    const saved = (file && readSaved(file, fresh)) || fresh;
    if (saved.next < count || !saved.extremes) {
      saved.extremes = await tryInputs({ reader: name, seed, count }, saved, () => {
        if (file) write(file, saved);
      });
      if (file) write(file, saved);
    }
    console.log(line(saved));
    for (const { fault, count: times } of Object.values(saved.tally.faults)) {
      const { kind, index, where, message } = fault;
      console.log(`    ${times} x ${kind} at ${index}, ${where}: ${JSON.stringify(message)}`);
      process.exitCode = 1;
    }
  }
  if (flags.output !== undefined) updateReadme(flags.output);
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

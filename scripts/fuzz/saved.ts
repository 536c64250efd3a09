/** What is kept of a reader's trial: a file of JSON for each, and a table of all of them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Extremes, Progress } from './supervise.js';

/** A reader's file. */
export interface Saved extends Progress {
  readonly reader: string;
  readonly what: string;
  readonly seed: number;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  extremes?: Extremes;
}

/** The name of a reader's file. */
export function fileOf(folder: string, reader: string): string {
  return join(folder, `${reader.replaceAll(/[^\w.-]/g, '-')}.json`);
}

/** What was reached before, if it was with the same code and seed. */
export function readSaved(file: string, { commit, seed }: Saved): Saved | undefined {
  if (!existsSync(file)) return undefined;
  const saved = JSON.parse(readFileSync(file, 'utf8')) as Saved;
  return saved.commit === commit && saved.seed === seed ? saved : undefined;
}

export function write(file: string, saved: Saved): void {
  writeFileSync(file, `${JSON.stringify(saved, null, 1)}\n`);
}

/** In a README, what stands between these lines is written anew. */
const [BEGIN, END] = ['<!-- table -->', '<!-- end of the table -->'];

/** Puts the table of all readers' files into the README beside them, if there is one. */
export function updateReadme(folder: string): void {
  const readme = join(folder, 'README.md');
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : '';
  const [before, rest = ''] = text.split(BEGIN);
  const after = rest.split(END)[1];
  if (before === undefined || after === undefined) return;
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const all = files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Saved);
  writeFileSync(readme, `${before}${BEGIN}\n\n${tableOf(all)}\n${END}${after}`);
}

function tableOf(all: readonly Saved[]): string {
  const rows = all.map(({ reader, what, seed, commit, tally, extremes }) => {
    const { inputs, read, refused, faults, milliseconds } = tally;
    return [
      `\`${reader}\``,
      what,
      inputs.toLocaleString('en-US'),
      percent(read / inputs),
      Object.entries(refused)
        .map(([name, count]) => `${name} ${percent(count / inputs)}`)
        .join(', '),
      String(Object.values(faults).reduce((total, { count }) => total + count, 0)),
      (milliseconds / inputs).toFixed(3),
      (extremes?.slowest?.milliseconds ?? NaN).toFixed(1),
      ((extremes?.largest?.bytes ?? NaN) / 1e6).toFixed(1),
      String(seed),
      `\`${commit}\``,
    ];
  });
  const head = [
    'reader',
    'reads',
    'inputs',
    'read',
    'refused with',
    'faults',
    'ms each',
    'slowest, ms',
    'largest, MB',
    'seed',
    'commit',
  ];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.01 ? 2 : 0)} %`;
}

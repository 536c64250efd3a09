/** All pages of docs/mechanisms, by file name. */
import { format, resolveConfig } from 'prettier';
import { attention } from '../../src/attention/index.js';
import { multiplyAccumulates } from '../../src/inspect/cost.js';
import { formatShape } from '../../src/tensor/shape.js';
import { FEATURE_MAP } from './example.js';
import { pageOf, paperOf, subjectOf, table, type Subject } from './page.js';
import { readSources } from './source.js';

export const FOLDER = new URL('../../docs/mechanisms/', import.meta.url);

/** The pages as they should be, formatted as everything in the repository is. */
export async function makePages(): Promise<Map<string, string>> {
  const sources = readSources();
  const subjects = attention.list().map(subjectOf);
  const config = (await resolveConfig(FOLDER)) ?? {};
  const pages = new Map<string, string>();
  const add = async (name: string, text: string) => {
    pages.set(name, await format(text, { ...config, parser: 'markdown' }));
  };
  for (const subject of subjects) await add(`${subject.entry.id}.md`, pageOf(subject, sources));
  await add('README.md', indexOf(subjects));
  return pages;
}

function indexOf(subjects: readonly Subject[]): string {
  const count = (value: number) => value.toLocaleString('en-US');
  const rows = subjects.map(({ entry, trace }) => [
    `[\`${entry.id}\`](${entry.id}.md)`,
    entry.title,
    entry.domain,
    paperOf(entry),
    count(trace.module.parameterCount()),
    count(multiplyAccumulates(trace.outputs)),
  ]);
  return [
    '<!-- Made by `npm run docs`. -->',
    '# The mechanisms',
    `Every mechanism of the zoo, with what it costs on ${formatShape(FEATURE_MAP)} with its default options: learned values, and multiply-adds of convolutions and matrix products. \`fovea list attention\` prints the same, \`fovea list attention/ID\` all about one.`,
    table(['id', 'mechanism', 'domain', 'paper', 'parameters', 'multiply-adds'], rows),
    'How to add one: [adding-a-mechanism.md](../adding-a-mechanism.md). How each is held against PyTorch: [golden-cases.md](../golden-cases.md).',
  ].join('\n\n');
}

/** The page of one mechanism: what its source says, and what a traced forward pass shows. */
import { attention, type Mechanism } from '../../src/attention/index.js';
import { multiplyAccumulates } from '../../src/inspect/cost.js';
import { traceForward, traceSteps, type Trace, type TraceStep } from '../../src/inspect/trace.js';
import { elementCount, formatShape } from '../../src/tensor/shape.js';
import { flowchart } from './diagram.js';
import { exampleFor, FEATURE_MAP } from './example.js';
import { parseHeader, type Header } from './header.js';
import type { Sources } from './source.js';

/** A mechanism with its defaults, traced on the feature map that all pages are about. */
export interface Subject {
  readonly entry: Mechanism;
  readonly trace: Trace;
  readonly className: string;
}

export function subjectOf(entry: Mechanism): Subject {
  const [, channels, height, width] = FEATURE_MAP;
  const module = entry.create(channels, entry.optionsFor(height, width));
  const shapes = Array.from({ length: entry.inputs }, () => FEATURE_MAP);
  return { entry, trace: traceForward(module, shapes), className: module.constructor.name };
}

/** The page as Markdown. */
export function pageOf(subject: Subject, sources: Sources): string {
  const { entry, trace, className } = subject;
  const { file, header } = sources.classOf(className);
  const parsed = parseHeader(header);
  return [
    `<!-- Made by \`npm run docs\` from ${file}. Change that file, not this one. -->`,
    `# ${entry.title}`,
    `\`${entry.id}\`, class [\`${className}\`](../../${file}); domain: ${entry.domain}. ${paperOf(entry)}.`,
    '## Formula',
    ...formula(parsed.formula),
    '## Step by step',
    stepsIntroduction(subject),
    ...walk(trace, traceSteps(trace)),
    ...partsOf(subject, sources),
    ...(parsed.limits === '' ? [] : ['## When not to use it', limits(parsed)]),
    '## What can be seen inside',
    gates(trace, parsed),
    '## Cost',
    costOf(subject, parsed),
    '## Options',
    options(entry),
    ...(parsed.documents.length > 0 ? ['## In the documents', ...parsed.documents] : []),
    '## Example',
    example(entry),
    ...slot(subject),
  ].join('\n\n');
}

/** The paper of a mechanism, with a link to it. */
export function paperOf({ paper, arxiv }: Mechanism): string {
  const link = arxiv === null ? [] : [`[arXiv ${arxiv}](https://arxiv.org/abs/${arxiv})`];
  return [paper ?? 'No paper', ...link].join(', ');
}

/** Without the words that its heading has. */
function limits({ limits: text }: Header): string {
  const rest = text.replace(/^When not to use it: /, '');
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

function formula(blocks: Header['formula']): string[] {
  return blocks.map((block) => ('code' in block ? fence('text', block.code) : block.text));
}

function fence(language: string, code: string): string {
  return `\`\`\`${language}\n${code}\n\`\`\``;
}

function stepsIntroduction({ entry, trace }: Subject): string {
  const maps = trace.inputs.length === 1 ? 'a map' : `${trace.inputs.length} maps`;
  const sized = Object.entries(entry.optionsFor(FEATURE_MAP[2], FEATURE_MAP[3]));
  const besides = sized.map(([name, value]) => `, with \`${name}: ${JSON.stringify(value)}\``);
  return `As the program does it in eval, on ${maps} ${formatShape(FEATURE_MAP)} and with the default options${besides.join('')}. Numbers under "of" are steps; bold steps call a part of the module.`;
}

/** The steps as a table and as a drawing. */
function walk(trace: Pick<Trace, 'inputs'>, steps: readonly TraceStep[]): string[] {
  const rows = steps.map(({ number, part, what, from, shape, exposes }) => [
    String(number),
    part === undefined ? what.join(', ') : `**${part}** (${what.join(', ')})`,
    from.join(', '),
    formatShape(shape),
    exposes === undefined ? '' : `\`${exposes}\``,
  ]);
  return [
    table(['', 'step', 'of', 'shape', 'exposed as'], rows),
    fence('mermaid', flowchart(trace, steps)),
  ];
}

/** Classes of the zoo that the mechanism is made of: those with pages by a link, others whole. */
function partsOf({ trace, className }: Subject, sources: Sources): string[] {
  const pages = new Map(
    attention.list().map((entry) => [subjectOf(entry).className, entry] as const),
  );
  const seen = new Set([className]);
  return [...trace.module.namedModules()].flatMap(([path, module]) => {
    const name = module.constructor.name;
    if (seen.has(name) || !sources.has(name)) return [];
    seen.add(name);
    const page = pages.get(name);
    if (page)
      return [`\`${path}\`, a \`${name}\`, has a page of its own: [${page.title}](${page.id}.md).`];
    const { lead, formula: blocks } = parseHeader(sources.classOf(name).header);
    return [
      `### ${name}`,
      `\`${path}\`. ${lead}`,
      ...formula(blocks),
      ...walk({ inputs: [] }, traceSteps(trace, path)),
    ];
  });
}

function gates({ exposed }: Trace, { exposes }: Header): string {
  const names = table(
    ['name', 'shape'],
    [...exposed].map(([name, { shape }]) => [`\`${name}\``, formatShape(shape)]),
  );
  return `${exposes}\n\n${names}`;
}

function costOf({ entry, trace }: Subject, { cost }: Header): string {
  const count = (value: number) => value.toLocaleString('en-US');
  const figures = `With the default options, on ${entry.inputs === 1 ? 'a map' : `${entry.inputs} maps`} ${formatShape(FEATURE_MAP)}: ${count(trace.module.parameterCount())} parameters, ${count(multiplyAccumulates(trace.outputs))} multiply-adds in convolutions and matrix products.`;
  return [figures, cost].join('\n\n');
}

function options({ options: known }: Mechanism): string {
  const rows = Object.entries(known).map(([name, info]) => [
    `\`${name}\``,
    info.default === undefined ? 'must be given' : `\`${JSON.stringify(info.default)}\``,
    info.values,
    info.meaning.replaceAll('|', '\\|'),
  ]);
  return rows.length === 0 ? 'None.' : table(['option', 'default', 'values', 'what it does'], rows);
}

function example(entry: Mechanism): string {
  return fence('ts', exampleFor(entry).code);
}

/** How it is put into a network, if it can be. */
function slot({ entry, trace }: Subject): string[] {
  const { id, inputs, keepsShape } = entry;
  if (inputs !== 1 || !keepsShape) {
    const reason = inputs === 1 ? 'does not keep the shape of a map' : `joins ${inputs} maps`;
    return [`It ${reason}, so it has no place in the attention slot of a ResNet.`];
  }
  const sized = Object.entries(entry.optionsFor(8, 8)).map(
    ([name, value]) => `${name}=${String(value)}`,
  );
  const large = [...trace.exposed.values()].some(({ size }) => size > elementCount(FEATURE_MAP));
  const flags = [
    '--model resnet20',
    `--attention ${id}`,
    ...(sized.length > 0 ? [`--attention-options ${sized.join(',')}`] : []),
    ...(sized.length > 0 || large ? ['--stages 3'] : []),
  ];
  const why =
    sized.length > 0
      ? ' It is made for maps of one size: here the 8x8 of the third stage, for images of 32x32.'
      : large
        ? ' Its map grows with the square of the number of places: it belongs where maps are small.'
        : '';
  return [
    `In every block of a ResNet, or of some of its stages:${why}`,
    fence('sh', `fovea train ${flags.join(' ')}`),
  ];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

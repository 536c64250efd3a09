import { Command } from 'commander';
import { parseChoice } from '../attention/choice.js';
import { attention, type AttentionEntry, type OptionValue } from '../attention/index.js';
import { DATASETS } from '../data/catalog.js';
import { RequestError } from '../errors.js';
import { cost, multiplyAccumulates } from '../inspect/cost.js';
import { traceForward, traceSteps, type TraceStep } from '../inspect/trace.js';
import { createModel, listModels } from '../models/index.js';
import { suggestion } from '../suggest.js';
import { elementCount, formatShape, type Shape } from '../tensor/shape.js';
import { grouped, printJson, table } from './command.js';
import { print } from './output.js';

/** What models are counted with. */
const CLASSES = 100;
/** What a mechanism is counted on: feature maps [B, C, H, W]. */
const FEATURE_MAP = [1, 64, 32, 32] as const;
/** The last column of a table is cut where a terminal ends; what is piped into a program is not. */
const WIDTH = (process.stdout.isTTY && process.stdout.columns) || Infinity;

const PARTS = ['models', 'attention', 'datasets'] as const;

export function listCommand(): Command {
  const command = new Command('list')
    .summary('models, attention mechanisms and data sets')
    .description('Models, attention mechanisms and data sets, with what they cost.')
    .argument(
      '[what]',
      `${PARTS.join(', ')}, or one mechanism: attention/ID,\nwith options as attention/cbam:ratio=8`,
    )
    .option('--json', 'print all that is known as JSON')
    .addHelpText(
      'after',
      '\nfovea list                  an overview\n' +
        'fovea list attention        papers, options and defaults of all mechanisms\n' +
        'fovea list attention/cbam   one mechanism: also its gates, and its steps',
    );
  return command.action((what: string | undefined) => {
    const { json } = command.opts<{ json?: boolean }>();
    const [answer, text] = answerTo(what);
    if (json) printJson(answer);
    else print(text);
  });
}

/** What was asked for: for a program, and for a person. */
function answerTo(what: string | undefined): readonly [unknown, string] {
  if (what === undefined) {
    const all = { models: models(), attention: mechanisms(), datasets: datasets() };
    const overview = [
      modelTable(all.models),
      attentionTables(all.attention),
      datasetTable(all.datasets),
    ];
    return [all, overview.join('\n')];
  }
  if (what === 'models') return [models(), modelTable(models())];
  if (what === 'datasets') return [datasets(), datasetTable(datasets())];
  if (what === 'attention') return [mechanisms(), mechanisms().map(paragraph).join('\n')];
  const { id, options } = parseChoice(what.replace(/^attention\//, ''));
  const ids = attention.list().map((entry) => entry.id);
  if (!ids.includes(id)) {
    const names = [...PARTS, ...ids.map((one) => `attention/${one}`)];
    throw new RequestError(`There is no '${what}' to list. ${suggestion(what, names)}`);
  }
  const one = mechanism(attention.get(id), options);
  return [one, story(one)];
}

function models() {
  return listModels().map((entry) => ({
    ...entry,
    classes: CLASSES,
    ...cost(createModel(entry.id, { classes: CLASSES }), entry.input),
  }));
}

function datasets() {
  return Object.values(DATASETS);
}

function mechanisms(): Listed[] {
  return attention.list().map((entry) => mechanism(entry));
}

/** A mechanism, and what it does with feature maps of one size. */
interface Listed extends AttentionEntry {
  /** Whether `--attention` takes it. */
  readonly fitsSlot: boolean;
  readonly featureMap: Shape;
  readonly parameters: number;
  readonly macs: number;
  readonly outputs: readonly Shape[];
  readonly exposes: readonly { readonly name: string; readonly shape: Shape }[];
  readonly steps: readonly TraceStep[];
}

// What JSON has no form for, the functions of an entry, it leaves out.
function mechanism(entry: AttentionEntry, given: AttentionEntry['options'] = {}): Listed {
  const [, channels, height, width] = FEATURE_MAP;
  const options = { ...entry.optionsFor(height, width, given), ...given };
  const module = attention.create(entry.id, channels, options);
  const trace = traceForward(
    module,
    Array.from({ length: entry.inputs }, () => FEATURE_MAP),
  );
  return {
    ...entry,
    options: { ...entry.options, ...given },
    fitsSlot: attention.fitsSlot(entry),
    featureMap: FEATURE_MAP,
    parameters: module.parameterCount(),
    macs: multiplyAccumulates(trace.outputs),
    outputs: trace.outputs.map(({ shape }) => shape),
    exposes: [...trace.exposed].map(([name, { shape }]) => ({ name, shape })),
    steps: traceSteps(trace),
  };
}

function modelTable(listed: ReturnType<typeof models>): string {
  return (
    `Models (--model), for ${CLASSES} classes and images of 3x32x32:\n\n` +
    table([
      ['id', 'parameters', 'multiply-adds', 'network'],
      ...listed.map(({ id, parameters, macs, title }) => [id, parameters, macs, title]),
    ])
  );
}

/** What `--attention` takes, and what there is besides. */
function attentionTables(listed: readonly Listed[]): string {
  const fitting = listed.filter((entry) => attention.fitsSlot(entry));
  const others = listed.filter((entry) => !attention.fitsSlot(entry));
  return (
    `Attention (--attention), on feature maps ${formatShape(FEATURE_MAP)}:\n\n${attentionTable(fitting)}\n` +
    "For networks of one's own (attention.create), since they join several maps or end a\n" +
    `network and do not fit the slot of --attention, on the same maps:\n\n${attentionTable(others)}`
  );
}

function attentionTable(listed: readonly Listed[]): string {
  const rows = table([
    ['id', 'domain', 'year', 'arXiv', 'parameters', 'multiply-adds', 'mechanism'],
    ...listed.map(({ id, domain, year, arxiv, parameters, macs, title }) => [
      id,
      domain,
      String(year),
      arxiv ?? '-',
      parameters,
      macs,
      title,
    ]),
  ]);
  return cut(rows);
}

function datasetTable(listed: ReturnType<typeof datasets>): string {
  return (
    'Data sets (--dataset):\n\n' +
    table([
      ['id', 'train', 'val', 'classes', 'size', 'data set'],
      ...listed.map(({ id, train, val, classes, channels, height, width, title }) => [
        id,
        train,
        val,
        classes,
        `${channels}x${height}x${width}`,
        title,
      ]),
    ])
  );
}

/** Lines cut to the terminal's width. */
function cut(text: string): string {
  return text.replace(/.+/g, (line) =>
    line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line,
  );
}

/** All that is said of one mechanism in the list of all. */
function paragraph({
  id,
  title,
  domain,
  paper,
  year,
  arxiv,
  parameters,
  macs,
  ...rest
}: Listed): string {
  const of = rest.inputs === 1 ? 'a map' : `${rest.inputs} maps`;
  const given = Object.entries(rest.options).map(([name, value]) => `${name}=${inWords(value)}`);
  return [
    `${id}: ${title}`,
    `  ${domain}; ${paper.includes(String(year)) ? paper : `${paper}, ${year}`}${arxiv === null ? '' : `; arXiv ${arxiv}`}`,
    `  ${grouped(parameters)} parameters, ${grouped(macs)} multiply-adds for ${of} ${formatShape(FEATURE_MAP)}`,
    `  options: ${given.join(', ') || 'none'}`,
    ...(rest.fitsSlot ? [] : ["  does not fit --attention: for networks of one's own"]),
    '',
  ].join('\n');
}

function inWords(value: OptionValue): string {
  return typeof value === 'object' && value !== null ? value.join('+') : String(value);
}

/** One mechanism: its paragraph, what can be seen inside, and its steps. */
function story(one: Listed): string {
  const rows = one.steps.map(({ number, part, what, from, shape, exposes }) => [
    String(number),
    part === undefined ? what.join(', ') : `${part} (${what.join(', ')})`,
    from.join(', '),
    formatShape(shape),
    exposes ?? '',
  ]);
  const large = one.exposes.some(({ shape }) => elementCount(shape) > elementCount(FEATURE_MAP));
  return [
    paragraph(one),
    `Exposes ${one.exposes.map(({ name, shape }) => `${name} ${formatShape(shape)}`).join(', ')}.`,
    large ? 'Its map grows with the square of the number of places: see --stages.\n' : '',
    cut(table([['', 'step', 'of', 'shape', 'exposed as'], ...rows])),
    `More: docs/mechanisms/${one.id}.md\n`,
  ].join('\n');
}

/** What `fovea list` says of mechanisms. */
import { attention, type AnyOptions, type Mechanism } from '../attention/index.js';
import { multiplyAccumulates } from '../inspect/cost.js';
import { traceForward, traceSteps, type TraceStep } from '../inspect/trace.js';
import { elementCount, formatShape, type Shape } from '../tensor/shape.js';
import { grouped, table } from './command.js';
import { cut, ifItCan, optionLines, type ListedOptions } from './list-text.js';

/** What a mechanism is counted on: feature maps [B, C, H, W]. */
const FEATURE_MAP = [1, 64, 32, 32] as const;

/** All mechanisms, each with what it costs where it can be made without options. */
export function listMechanisms(): Listed[] {
  return attention.list().map((one) => ifItCan(() => listed(one)) ?? uncounted(one));
}

/** A mechanism, and what it does with feature maps of one size. */
export interface Listed extends Pick<
  Mechanism,
  'id' | 'title' | 'domain' | 'paper' | 'year' | 'arxiv' | 'inputs' | 'keepsShape' | 'fitsSlot'
> {
  /** All its options, with the values that it was counted with where they are not the defaults. */
  readonly options: ListedOptions;
  readonly featureMap: Shape;
  /** Null where it cannot be made without options. */
  readonly parameters: number | null;
  readonly macs: number | null;
  readonly outputs: readonly Shape[];
  readonly exposes: readonly { readonly name: string; readonly shape: Shape }[];
  readonly steps: readonly TraceStep[];
}

/**
 * A mechanism with what it costs.
 * @throws RequestError if it cannot be made with these options
 */
export function listed(mechanism: Mechanism, given: AnyOptions = {}): Listed {
  const [, channels, height, width] = FEATURE_MAP;
  const chosen = { ...mechanism.optionsFor(height, width, given), ...given };
  const module = mechanism.create(channels, chosen);
  const trace = traceForward(
    module,
    Array.from({ length: mechanism.inputs }, () => FEATURE_MAP),
  );
  return {
    ...uncounted(mechanism, chosen),
    parameters: module.parameterCount(),
    macs: multiplyAccumulates(trace.outputs),
    outputs: trace.outputs.map(({ shape }) => shape),
    exposes: [...trace.exposed].map(([name, { shape }]) => ({ name, shape })),
    steps: traceSteps(trace),
  };
}

/** What is known of a mechanism without making it. */
function uncounted(mechanism: Mechanism, chosen: AnyOptions = {}): Listed {
  const { id, title, domain, paper, year, arxiv, inputs, keepsShape, fitsSlot } = mechanism;
  const options = Object.entries(mechanism.options).map(([name, info]) => [
    name,
    Object.hasOwn(chosen, name) ? { ...info, value: chosen[name] } : info,
  ]);
  return {
    ...{ id, title, domain, paper, year, arxiv, inputs, keepsShape, fitsSlot },
    options: Object.fromEntries(options) as ListedOptions,
    featureMap: FEATURE_MAP,
    ...{ parameters: null, macs: null, outputs: [], exposes: [], steps: [] },
  };
}

/** What `--attention` takes, and what there is besides. */
export function mechanismTables(all: readonly Listed[]): string {
  const fitting = all.filter(({ fitsSlot }) => fitsSlot);
  const others = all.filter(({ fitsSlot }) => !fitsSlot);
  return (
    `Attention (--attention), on feature maps ${formatShape(FEATURE_MAP)}:\n\n${attentionTable(fitting)}\n` +
    "For networks of segmentation (--fusion, --head) and of one's own (attention.create), since\n" +
    `they join several maps or end a network, on the same maps:\n\n${attentionTable(others)}`
  );
}

function attentionTable(some: readonly Listed[]): string {
  const rows = table([
    ['id', 'domain', 'year', 'arXiv', 'parameters', 'multiply-adds', 'mechanism'],
    ...some.map(({ id, domain, year, arxiv, parameters, macs, title }) => [
      id,
      domain,
      String(year ?? '-'),
      arxiv ?? '-',
      parameters ?? '-',
      macs ?? '-',
      title,
    ]),
  ]);
  return cut(rows);
}

/** All that is said of one mechanism in the list of all. */
export function paragraph({
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
  return [
    `${id}: ${title}`,
    `  ${[domain, ...source({ paper, year, arxiv })].join('; ')}`,
    parameters === null || macs === null
      ? '  needs options'
      : `  ${grouped(parameters)} parameters, ${grouped(macs)} multiply-adds for ${of} ${formatShape(FEATURE_MAP)}`,
    ...optionLines(rest.options),
    ...(rest.fitsSlot ? [] : ["  does not fit --attention: for networks of one's own"]),
    '',
  ].join('\n');
}

/** Where a mechanism comes from, as far as it is said. */
function source({ paper, year, arxiv }: Pick<Listed, 'paper' | 'year' | 'arxiv'>): string[] {
  const dated = year === null || paper?.includes(String(year)) ? paper : `${paper}, ${year}`;
  return [...(paper === null ? [] : [dated ?? '']), ...(arxiv === null ? [] : [`arXiv ${arxiv}`])];
}

/** One mechanism: its paragraph, what can be seen inside, and its steps. */
export function story(one: Listed): string {
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

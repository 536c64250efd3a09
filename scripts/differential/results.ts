/** What came of all cases: the rule, the table and the files. */
import type { Case } from './layer.js';
import type { Layout, TensorError } from './run-case.js';

/** Ours may be this many times as far from float64 as PyTorch's float32. */
const BOUND = 3;

/** Units in the last place of a tensor's largest element that count as lost at least, where terms are added up and elsewhere. */
function floorOf({ terms }: TensorError): number {
  return terms > 1 ? Math.max(8, Math.sqrt(terms) / 8) : 2;
}

/** What float32 may be expected to lose in a tensor, as a share of its largest element. */
function expectedError(error: TensorError): number {
  return Math.max(error.torch, error.condition, floorOf(error) * 2 ** -23);
}

/** How many times that our error is. */
function ratioOf(error: TensorError): number {
  return error.fovea / expectedError(error);
}

interface Entry {
  readonly about: Case;
  readonly layout: Layout;
  readonly errors: readonly TensorError[];
}

interface Row {
  readonly kind: string;
  readonly layout: Layout;
  readonly configurations: number;
  readonly tensors: number;
  readonly median: number;
  readonly worst: number;
}

/** Where and with what the cases ran. */
export interface Circumstances {
  readonly count: number;
  readonly seed: number;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly processor: string;
}

export class Results {
  private readonly entries: Entry[] = [];
  private readonly broken: string[] = [];

  add(about: Case, layout: Layout, errors: readonly TensorError[]): void {
    this.entries.push({ about, layout, errors });
  }

  /** A case that Fovea could not run at all. */
  fail(about: Case, layout: Layout, error: unknown): void {
    this.broken.push(`${nameOf(about)}, ${layout}: ${String(error)}`);
  }

  /** PyTorch's version, as it told it. */
  get torch(): string {
    return this.entries[0]?.about.torch ?? 'unknown';
  }

  /** Every case that fails, and why: the worst first. */
  failures(): string[] {
    const beyond = this.sorted()
      .filter(({ ratio }) => !(ratio <= BOUND))
      .map(
        ({ about, layout, error, ratio }) =>
          `${nameOf(about)}, ${layout}: ${error.tensor} is ${error.fovea.toExponential(1)} of its largest element off, ` +
          `${ratio.toFixed(1)} times what was expected (PyTorch ${error.torch.toExponential(1)}, condition ${error.condition.toExponential(1)})`,
      );
    return [...this.broken, ...beyond];
  }

  /** Every tensor of every case, the worst first. */
  private sorted() {
    return this.entries
      .flatMap(({ about, layout, errors }) =>
        errors.map((error) => ({ about, layout, error, ratio: ratioOf(error) })),
      )
      .sort((a, b) => b.ratio - a.ratio);
  }

  rows(): Row[] {
    const groups = new Map<string, Entry[]>();
    for (const entry of this.entries) {
      const key = `${entry.about.kind}|${entry.layout}`;
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
    return [...groups].sort().flatMap(([, entries]) => {
      const [first] = entries;
      if (first === undefined) return [];
      const worst = entries.map(({ errors }) => Math.max(...errors.map(ratioOf)));
      worst.sort((a, b) => a - b);
      return [
        {
          kind: first.about.kind,
          layout: first.layout,
          configurations: entries.length,
          tensors: entries.reduce((total, { errors }) => total + errors.length, 0),
          median: worst[Math.floor(worst.length / 2)] ?? 0,
          worst: worst.at(-1) ?? 0,
        },
      ];
    });
  }

  table(): string {
    const lines = this.rows().map(
      ({ kind, layout, configurations, tensors, median, worst }) =>
        `| ${kind} | ${layout} | ${configurations} | ${tensors} | ${median.toFixed(2)} | ${worst.toFixed(2)} |`,
    );
    return [
      '| layers | layout | configurations | tensors | median | worst |',
      '| --- | --- | --- | --- | --- | --- |',
      ...lines,
    ].join('\n');
  }

  json(circumstances: Circumstances): string {
    const worst = this.sorted()
      .slice(0, 50)
      .map(({ about, layout, error, ratio }) => {
        const { layer, arguments: given, options, shape, training, ratio: mean } = about;
        const what = { index: about.index, layer, arguments: given, options, shape, training };
        return { ...what, mean, layout, ...error, times: Number(ratio.toFixed(3)) };
      });
    const failures = this.failures();
    return `${JSON.stringify({ ...circumstances, bound: BOUND, failures, rows: this.rows(), worst }, null, 1)}\n`;
  }

  page({ count, seed, commit, versions, processor }: Circumstances): string {
    const failures = this.failures();
    const all = this.sorted();
    const beyondTorch = all.filter(({ error }) => error.fovea > BOUND * error.torch).length;
    const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    return `# Random layers in Fovea and in PyTorch

Commit \`${commit}\`; ${processor}; ${software.join(', ')}.

\`\`\`sh
npm run differential -- --count ${count} --seed ${seed}
\`\`\`

${count} configurations, ${all.length} tensors (outputs, gradients of inputs and parameters, running statistics): ${failures.length === 0 ? `none is further from PyTorch's float64 than ${BOUND} times` : `**${failures.length} are further from PyTorch's float64 than ${BOUND} times**`} what float32 may be expected to lose. What is drawn, and the rule: [scripts/differential](../../../scripts/differential/README.md). Figures: [results.json](results.json), with the fifty worst tensors.

Of each configuration the worst tensor, as a multiple of what may be expected: the median over the configurations, and the worst.

${this.table()}

Without the floor and the condition, against PyTorch's own float32 error of the same run alone, ${beyondTorch} of the ${all.length} tensors (${((100 * beyondTorch) / all.length).toFixed(1)} %) are beyond ${BOUND} times.
${failures.length === 0 ? '' : `\n${failures.map((line) => `- ${line}`).join('\n')}\n`}`;
  }
}

function nameOf({ index, layer, arguments: given, options, shape, training, ratio }: Case): string {
  const all = [...given, ...Object.entries(options).map(([k, v]) => `${k}=${JSON.stringify(v)}`)];
  const mean = ratio > 0 ? `, mean ${ratio} deviations` : '';
  return `case ${index}: ${layer}(${all.join(', ')}) of [${shape.join(', ')}]${training ? '' : ' in eval'}${mean}`;
}

import type { Environment, ReportData } from '../data.js';
import { counted, listed, whole } from '../format.js';
import { html, type Content, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { dataTable, fileLink } from '../table.js';
import { figureFormats, figureTitle } from '../words.js';

/** What was run: the command, the settings, the machine, and every run with its files. */
export function runSection(report: ReportData, numbers: Numbers): Markup {
  const { command, settings, dataset, environments, runs } = report;
  const { source } = dataset;
  return html`<section id="run">
    <h2>What was run</h2>
    <pre><code>${command}</code></pre>
    <dl>
      <dt>data</dt>
      <dd>
        ${dataset.title}${source !== null && ` (${source})`}:
        ${numbers.show(['dataset', 'train'], whole)} images to train,
        ${numbers.show(['dataset', 'val'], whole)} to validate
      </dd>
      <dt>seeds</dt>
      <dd>
        ${listed(settings.seeds.map(String))}; runs of one seed share the order of the images, their
        augmentation, and the initial values of every layer that they have in common
      </dd>
      ${environments.map((environment) => machine(environment, environments.length))}
    </dl>
    <details>
      <summary>All settings</summary>
      <dl class="settings">
        <dt>${settings.axis}</dt>
        <dd>${settings.variants.map(({ label }) => label).join(', ')}</dd>
        ${Object.entries(settings.recipe)
          .filter(([name]) => name !== 'data' && name !== 'imports')
          .map(
            ([name, value]) =>
              html`<dt>${name}</dt>
                <dd>${settingText(value)}</dd>`,
          )}
      </dl>
      <p class="note">From ${fileLink('compare.json')}.</p>
    </details>
    <details ${report.complete ? '' : 'open'}>
      <summary>${counted(runs.length, 'run')}, with their files</summary>
      ${runsTable(report, numbers)}
    </details>
  </section>`;
}

function machine({ versions, runs }: Environment, environments: number): Markup {
  return html`<dt>made with</dt>
    <dd>
      ${Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}${environments > 1 && ` (${listed(runs)})`}
    </dd>`;
}

function runsTable({ runs, figure }: ReportData, numbers: Numbers): Markup {
  const { value } = figureFormats(figure);
  return dataTable(
    [
      { head: 'run' },
      { head: 'state' },
      { head: 'epochs', numeric: true },
      { head: `last ${figureTitle(figure)}`, numeric: true },
      { head: 'files' },
    ],
    runs.map(({ name, state, message, folder, metrics }, place): Content[] => [
      name,
      message === null ? state : `${state}: ${message}`,
      metrics.length,
      numbers.show(['runs', place, 'metrics', metrics.length - 1, `val_${figure.name}`], value),
      state === 'waiting'
        ? '–'
        : html`${fileLink(`${folder}/metrics.jsonl`)}
          ${state === 'done' && fileLink(`${folder}/summary.json`)}`,
    ]),
    html`From the last line of <code>runs/*/metrics.jsonl</code>.`,
  );
}

function settingText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

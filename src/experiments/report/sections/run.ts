import type { Environment, ReportData, RunReport } from '../data.js';
import { counted, fixed, listed, whole } from '../format.js';
import { html, type Content, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { dataTable, fileLink } from '../table.js';

/** What was run: the command, the settings, the machine, and every run with its files. */
export function runSection(report: ReportData, numbers: Numbers): Markup {
  const { command, settings, dataset, environments, runs } = report;
  return html`<section id="run">
    <h2>What was run</h2>
    <pre><code>${command}</code></pre>
    <dl>
      <dt>data</dt>
      <dd>
        ${dataset.title} (${dataset.source}): ${numbers.show(['dataset', 'train'], whole)} images to
        train, ${numbers.show(['dataset', 'val'], whole)} to validate
      </dd>
      <dt>seeds</dt>
      <dd>
        ${listed(settings.seeds.map(String))}; runs of one seed share the order of the images, their
        crops and flips, and the initial values of every layer that they have in common
      </dd>
      ${environments.map((environment) => machine(environment, environments.length))}
    </dl>
    <details>
      <summary>All settings</summary>
      <dl class="settings">
        ${settings.variants.map(
          ({ label, attentionOptions, stages }) =>
            html`<dt>${label}</dt>
              <dd>
                ${
                  Object.keys(attentionOptions).length > 0
                    ? Object.entries(attentionOptions)
                        .map(([name, value]) => `${name}=${String(value)}`)
                        .join(', ')
                    : 'its default options'
                }${stages && `, in stages ${listed(stages.map(String))}`}
              </dd>`,
        )}
        ${Object.entries(settings.recipe)
          .filter(([name]) => name !== 'data')
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
      ${runsTable(runs, numbers)}
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

function runsTable(runs: readonly RunReport[], numbers: Numbers): Markup {
  return dataTable(
    [
      { head: 'run' },
      { head: 'state' },
      { head: 'epochs', numeric: true },
      { head: 'last top-1 %', numeric: true },
      { head: 'files' },
    ],
    runs.map(({ name, state, message, folder, metrics }, place): Content[] => [
      name,
      message === null ? state : `${state}: ${message}`,
      metrics.length,
      numbers.show(['runs', place, 'metrics', metrics.length - 1, 'val_top1'], fixed(2)),
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

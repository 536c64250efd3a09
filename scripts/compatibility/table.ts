/** docs/compatibility.md: what came of the golden cases on every device. */
import { basename } from 'node:path';
import { GOLDEN_TOLERANCE } from '../../src/parity/golden.js';
import { toleranceOn, type Verification } from '../../src/parity/verify.js';

/** What was run on one device. */
export interface DeviceResults {
  readonly device: string;
  /** Where that is: `Node 20.20, onnxruntime-node 1.30.0`. */
  readonly where: string;
  readonly results: readonly Verification[];
}

const KINDS = ['eval', 'attn', 'train', 'state', 'grad'] as const;

/** The page, in Markdown. */
export function compatibilityPage(devices: readonly DeviceResults[]): string {
  const failures = devices.flatMap(({ device, results }) =>
    results
      .filter(({ status }) => status !== 'pass')
      .map((result) => ({ device, ...result, file: basename(result.file) })),
  );
  const count = devices[0]?.results.length ?? 0;
  return [
    '<!-- Written by `npm run compatibility`. Do not edit. -->',
    '',
    '# Compatibility',
    '',
    `Every golden case (a module of the documents as PyTorch computed it: outputs, inner maps, running statistics and all gradients) on every device that Fovea runs on. ${count} cases.`,
    '',
    '## Devices',
    '',
    ...table(
      ['device', 'where', 'cases that hold'],
      devices.map(({ device, where, results }) => [`\`${device}\``, where, tally(results)]),
    ),
    '',
    'The largest error of each kind, relative to the largest value of its tensor as `fovea verify --help` says, and below them the tolerances (for the epoch of training, `train.loop`, 1e-3, and it is not counted here):',
    '',
    ...table(
      ['device', 'outputs', 'inner maps', 'outputs in training', 'statistics', 'gradients'],
      [
        ...devices.map(({ device, results }) => [
          `\`${device}\``,
          ...KINDS.map((kind) => largest(results, kind)),
        ]),
        ['tolerance on the CPU', ...KINDS.map((kind) => GOLDEN_TOLERANCE[kind].toExponential(0))],
        ['elsewhere', ...KINDS.map((kind) => toleranceOn('wasm')[kind].toExponential(0))],
      ],
    ),
    '',
    '## Modules',
    '',
    'Cases that hold, of all cases of a module. The ids are those of the table in `src/parity`, which says what of Fovea each of them is.',
    '',
    ...table(
      ['module', ...devices.map(({ device }) => `\`${device}\``)],
      modulesOf(devices).map((module) => [
        `\`${module}\``,
        ...devices.map(({ results }) =>
          tally(results.filter((result) => result.module === module)),
        ),
      ]),
    ),
    '',
    '## What does not hold',
    '',
    ...(failures.length === 0
      ? ['Nothing: every case runs and holds on every device.']
      : table(
          ['device', 'case', 'reason'],
          failures.map(({ device, file, message }) => [`\`${device}\``, file, inCell(message)]),
        )),
    '',
  ].join('\n');
}

function modulesOf(devices: readonly DeviceResults[]): string[] {
  const ids = devices.flatMap(({ results }) => results.map(({ module }) => module ?? 'unknown'));
  return [...new Set(ids)].sort();
}

function tally(results: readonly Verification[]): string {
  const passed = results.filter(({ status }) => status === 'pass').length;
  return `${passed} of ${results.length}`;
}

function largest(results: readonly Verification[], kind: (typeof KINDS)[number]): string {
  // The epoch of training has a tolerance of its own, for three steps.
  const single = results.filter(({ module }) => module !== 'train.loop');
  return Math.max(0, ...single.map(({ error }) => error[kind] ?? 0)).toExponential(1);
}

function inCell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

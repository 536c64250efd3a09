/** The tables. */
import type { DuelResult } from './duel.js';
import type { LoopResult } from './loop-process.js';
import type { PeerResult } from './peers.js';
import { median, summarize } from './statistics.js';
import { MEMORY_GOAL, OVERHEAD_GOAL, type Workload } from './workloads.js';

export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

function verdict(held: boolean): string {
  return held ? 'holds' : '**missed**';
}

function spread(values: readonly number[], digits: number): string {
  const { median: middle, min, max } = summarize(values);
  return `${middle.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

/** Two digits and more of a rate. */
function rate(imagesPerSecond: number): string {
  return imagesPerSecond >= 10
    ? imagesPerSecond.toFixed(0)
    : String(Number(imagesPerSecond.toPrecision(2)));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

export function speedTable(results: readonly DuelResult[]): string {
  const rows = results.map(({ workload, fovea, pytorch }) => {
    const { title, batch, goal } = workload;
    const ratios = pytorch && fovea.rates.map((ours, i) => ours / (pytorch.rates[i] ?? NaN));
    return [
      title,
      String(batch),
      rate(median(fovea.rates)),
      pytorch ? rate(median(pytorch.rates)) : '',
      ratios ? spread(ratios, 2) : '',
      `at least ${goal}`,
      ratios ? verdict(median(ratios) >= goal) : 'not measured',
    ];
  });
  const headings = ['Speed', 'batch', 'Fovea images/s', 'PyTorch images/s', 'ratio', 'goal', ''];
  const same = results
    .flatMap(({ workload, difference, fovea }) =>
      difference === undefined
        ? []
        : [`${workload.id} ${fovea.ready.parameters} parameters, ${difference.toExponential(1)}`],
    )
    .join('; ');
  const check = `The same network on both sides (largest relative difference of what was computed): ${same}.`;
  return `${table(headings, rows)}${same && `\n\n${check}`}`;
}

export function memoryTable(results: readonly DuelResult[]): string {
  const rows = results.map(({ workload, fovea, pytorch }) => {
    const ratio = pytorch && fovea.peak / pytorch.peak;
    return [
      `${workload.title}, batch ${workload.batch}`,
      megabytes(fovea.peak),
      pytorch ? megabytes(pytorch.peak) : '',
      ratio?.toFixed(2) ?? '',
      `at most ${MEMORY_GOAL}`,
      ratio === undefined ? 'not measured' : verdict(ratio <= MEMORY_GOAL),
    ];
  });
  return table(['Peak memory', 'Fovea MB', 'PyTorch MB', 'ratio', 'goal', ''], rows);
}

export function loopTable(
  loops: readonly { readonly workload: Workload; readonly result: LoopResult }[],
): string {
  const rows = loops.map(({ workload, result: { overhead, peak } }) => [
    `${workload.title}, batch ${workload.batch}`,
    `${(100 * overhead).toFixed(2)} %`,
    `under ${100 * OVERHEAD_GOAL} %`,
    verdict(overhead < OVERHEAD_GOAL),
    megabytes(peak),
  ]);
  const headings = [
    'Training loop',
    'outside the ONNX session',
    'goal',
    '',
    'peak MB, with evaluation',
  ];
  return table(headings, rows);
}

/** @param duels for Fovea's own rates, where they were measured in the same run */
export function peerTable(peers: readonly PeerResult[], duels: readonly DuelResult[]): string {
  const rows = peers.map(({ task, outcome }) => {
    const ours = duels.find(({ workload }) => workload.id === task.workload.id)?.fovea.rates;
    const own = 'seconds' in outcome ? task.batch / outcome.seconds : undefined;
    return [
      task.library,
      `${task.workload.title}, batch ${task.batch}`,
      own === undefined ? `cannot: ${'error' in outcome ? outcome.error : ''}` : rate(own),
      ours ? `${rate(median(ours))} (batch ${task.workload.batch})` : '',
      ours && own !== undefined ? `${rate(median(ours) / own)} times` : '',
    ];
  });
  const headings = ['JavaScript peer', 'what', 'its images/s', 'Fovea images/s', 'Fovea is faster'];
  return table(headings, rows);
}

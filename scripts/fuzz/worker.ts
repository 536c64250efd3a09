/**
 * The process in which inputs are tried: it may hang, grow or die. Which input it is at stands in a
 * file, which outlives it.
 */
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { inputOf, seedsOf } from './reader.js';
import { readerOf } from './readers/index.js';
import { addExtreme, addFault, emptyTally } from './tally.js';
import { tryInput } from './try.js';
import type { FromWorker, Measured, Order } from './work.js';

const REPORT_MS = 1000;
const FREEING_MS = 50;
/** So many inputs are tried before others are measured. */
const WARM_UP = 60;

const order = JSON.parse(process.argv[2] ?? '') as Order;
const reader = readerOf(order.reader);
const seeds = await seedsOf(reader);
const place = openSync(order.heartbeat, 'w');
const send = (message: FromWorker): void => void process.send?.(message);

const number = new Float64Array(1);

if (order.measure === undefined) await work();
else await measureAll(order.measure);
process.disconnect();

async function work(): Promise<void> {
  let tally = emptyTally();
  let reported = performance.now();
  const skipped = new Set(order.skip);
  for (let index = order.from; index < order.to; index++) {
    if (skipped.has(index)) continue;
    stand(index);
    const input = inputOf(reader, seeds, order.seed, index);
    const memory = memoryNow();
    const start = performance.now();
    const outcome = await tryInput(reader, input, order.folder);
    const milliseconds = performance.now() - start;
    addExtreme(tally.slowest, { index, value: milliseconds });
    addExtreme(tally.largest, { index, value: memoryNow() - memory });
    tally.inputs++;
    tally.milliseconds += milliseconds;
    if (outcome.kind === 'read') tally.read++;
    else if (outcome.kind === 'fault') addFault(tally, { index, ...outcome.fault });
    else tally.refused[outcome.error] = (tally.refused[outcome.error] ?? 0) + 1;

    if (performance.now() - reported > REPORT_MS) {
      send({ next: index + 1, tally });
      tally = emptyTally();
      // The message is on its way only when the process has been idle for a moment.
      await setImmediate();
      reported = performance.now();
    }
  }
  send({ next: order.to, tally });
}

/** Notes which input the process is at. */
function stand(index: number): void {
  number[0] = index;
  writeSync(place, number, 0, 8, 0);
}

async function measureAll(indices: readonly number[]): Promise<void> {
  // So that no input pays for what is compiled and loaded.
  for (let index = order.from; index < Math.min(order.from + WARM_UP, order.to); index++) {
    if (order.skip.includes(index) || indices.includes(index)) continue;
    stand(index);
    await tryInput(reader, inputOf(reader, seeds, order.seed, index), order.folder);
  }
  for (const index of indices) {
    stand(index);
    send({ measured: await measure(index) });
    await setImmediate();
  }
}

/** One input by itself: the best of three times, and the peak of the memory. */
async function measure(index: number): Promise<Measured> {
  const input = inputOf(reader, seeds, order.seed, index);
  globalThis.gc?.();
  // What was collected is given back by another thread.
  await setTimeout(FREEING_MS);
  forgetPeak();
  const [before, external] = [process.memoryUsage.rss(), getHeapStatistics().external_memory];
  let milliseconds = Infinity;
  let bytes = 0;
  for (let n = 0; n < 3; n++) {
    const start = performance.now();
    await tryInput(reader, input, order.folder);
    milliseconds = Math.min(milliseconds, performance.now() - start);
    const claimed = getHeapStatistics().external_memory - external;
    if (n === 0) bytes = Math.max(peak() - before, claimed, 0);
  }
  return { index, milliseconds, bytes, inputBytes: input.length };
}

/** What the process takes, and what it has asked for but not touched yet. */
function memoryNow(): number {
  return Math.max(process.memoryUsage.rss(), getHeapStatistics().external_memory);
}

/** Lets the system count the peak from here on, where it can (Linux). */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // The peak then is that of the whole process, which is too much rather than too little.
  }
}

function peak(): number {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

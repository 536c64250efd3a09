/**
 * How the benchmark and its contestants talk: each contestant is a process of its own that answers
 * lines of JSON on its standard input with lines of JSON on its standard output. The PyTorch side
 * (pytorch/contestant.py) speaks the same.
 */
import { readFileSync } from 'node:fs';
import { resourceUsage } from 'node:process';
import { createInterface } from 'node:readline';

/** The first line of a contestant, when it is warm. */
export interface Ready {
  readonly parameters: number;
  /** Training: the losses of the first steps. Inference: the logits of the first image. */
  readonly check: readonly number[];
  /** Seconds of each warm-up step, the first of which may contain compilation. */
  readonly warmUp: readonly number[];
  readonly versions: Readonly<Record<string, string>>;
}

/** What a contestant is asked for: so many steps, or to end. */
export type Request = { readonly steps: number } | { readonly end: true };

/** Seconds of each step. */
export interface Round {
  readonly seconds: readonly number[];
}

export interface Farewell {
  /** Largest resident size that the process ever had, in bytes. */
  readonly peak: number;
}

/** Runs a contestant: says that it is ready, answers rounds, says farewell. */
export async function serve(ready: Ready, step: () => Promise<unknown>): Promise<void> {
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if ('end' in request) break;
    say({ seconds: await timed(request.steps, step) } satisfies Round);
  }
  say({ peak: peakMemory() } satisfies Farewell);
}

/** Seconds of each of `steps` runs of `step`. */
export async function timed(steps: number, step: () => Promise<unknown>): Promise<number[]> {
  const seconds: number[] = [];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await step();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}

export function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Largest resident size of this process so far, in bytes. */
export function peakMemory(): number {
  try {
    // Unlike maxRSS this does not count what the parent had when it started this process.
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return resourceUsage().maxRSS * 1024;
}

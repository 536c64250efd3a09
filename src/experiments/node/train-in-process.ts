/** Trains one run of a comparison in a process of its own. */
import { fork } from 'node:child_process';
import type { Order, Report } from './process-messages.js';

/** How a run's process ended. */
export type Outcome = Extract<Report, { kind: 'done' | 'stopped' | 'failed' }>;

/**
 * Starts a process for one run and waits for its end. A process of its own gives back all memory
 * when its run ends, however many follow, and takes nothing else with it when it is killed.
 * Needs the compiled package.
 *
 * @param onReport told everything that is not the last word
 * @param signal asks it to save and stop
 */
export function trainInProcess(
  order: Extract<Order, { kind: 'train' }>,
  onReport: (report: Exclude<Report, Outcome>) => void,
  signal?: AbortSignal,
): Promise<Outcome> {
  const child = fork(new URL('./run-process.js', import.meta.url), {
    // The program's own flags (--input-type, --import ..) are not meant for this file.
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const send = (message: Order): void => {
    if (child.connected) child.send(message);
  };
  const stop = (): void => send({ kind: 'stop' });
  return new Promise((resolve) => {
    let outcome: Outcome | undefined;
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    child.on('message', (message) => {
      const report = message as Report;
      if (report.kind === 'start' || report.kind === 'step' || report.kind === 'epoch') {
        onReport(report);
      } else {
        outcome = report;
      }
    });
    child.on('error', (error) => {
      outcome ??= { kind: 'failed', message: `Its process could not be started: ${error.message}` };
      resolve(outcome);
    });
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', stop);
      const how = killedBy === null ? `with code ${code ?? '?'}` : `by ${killedBy}`;
      const said = complaint.trim() === '' ? '' : ` It said: ${complaint.trim()}`;
      resolve(outcome ?? { kind: 'failed', message: `Its process ended ${how}.${said}` });
    });
    signal?.addEventListener('abort', stop);
    send(order);
    if (signal?.aborted) stop();
  });
}

/**
 * One run of a comparison in a process of its own: what `trainInProcess` starts. It trains as it is
 * told by its first message, tells its progress, and stops, saved, when it is told to.
 */
import { FoveaError } from '../../errors.js';
import { runTraining, type RunOptions } from '../../training/node/run.js';
import { Interrupted } from '../../training/fit.js';
import type { Order, Report } from './process-messages.js';

const controller = new AbortController();

// Ctrl-C reaches the whole group of processes; the parent decides what follows from it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
// A parent that is gone cannot keep another from going on with this folder. What was saved is whole.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (message) => {
  const order = message as Order;
  if (order.kind === 'stop') controller.abort();
  else void train(order);
});

async function train({ recipe, ...where }: Extract<Order, { kind: 'train' }>): Promise<void> {
  const { resume, output } = where;
  const options: RunOptions = {
    ...(resume !== undefined && { resume }),
    ...(output !== undefined && { output }),
    signal: controller.signal,
    onStart: (start) => tell({ kind: 'start', start }),
    onStep: (progress) => tell({ kind: 'step', progress }),
    onEpoch: (metrics) => tell({ kind: 'epoch', metrics }),
  };
  try {
    const { summary } = await runTraining(recipe, options);
    end({ kind: 'done', summary });
  } catch (error) {
    if (error instanceof Interrupted) end({ kind: 'stopped' });
    else if (error instanceof FoveaError) end({ kind: 'failed', message: error.message });
    else throw error;
  }
}

function tell(report: Report): void {
  process.send?.(report);
}

/** The last word; the process ends when it has been sent, as nothing else keeps it. */
function end(report: Report): void {
  process.send?.(report, undefined, undefined, () => {
    process.removeAllListeners('disconnect');
    process.disconnect();
  });
}

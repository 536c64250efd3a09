/** A thread that reads, decodes and augments pictures. */
import { parentPort, workerData } from 'node:worker_threads';
import { FoveaError } from '../../errors.js';
import { augmentationOf } from '../augmentations/registry.js';
import type { Reply, Request, ThreadStart } from './decode-pool.js';
import { perform } from './decode-tasks.js';

const port = parentPort;
if (port !== null) {
  const { context, plan, place } = workerData as ThreadStart;
  const augment = plan?.augment.map(({ name, options }) => augmentationOf(name, options));
  const complete = plan && augment ? { ...context, plan: { ...plan, augment } } : context;
  const current = new Int32Array(place);
  let last: Promise<void> = Promise.resolve();
  const answer = async ({ id, task }: Request): Promise<void> => {
    try {
      Atomics.store(current, 0, -1);
      const result = await perform(complete, task, (file) => void Atomics.store(current, 0, file));
      port.postMessage({ id, result } satisfies Reply, buffersOf(result));
    } catch (error) {
      const name = error instanceof FoveaError ? error.name : '';
      const message = error instanceof Error ? error.message : String(error);
      port.postMessage({ id, error: { name, message } } satisfies Reply);
    }
  };
  port.on('message', (message: Request | 'close') => {
    // The program asks the thread to end itself: it is not interrupted while the decoder works.
    if (message === 'close') return port.close();
    // One task after the other: `current` is a place in the first that is not answered.
    last = last.then(() => answer(message));
  });
}

/** The buffers of all arrays in a result, which are handed over and not copied. */
function buffersOf(result: unknown): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  const visit = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer) buffers.add(value.buffer);
    } else if (typeof value === 'object' && value !== null) {
      Object.values(value).forEach(visit);
    }
  };
  visit(result);
  return [...buffers];
}

/** The engine's thread in Node. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Provider } from '../../tensor/op.js';
import { serveEngine } from '../port.js';
import { createEngine } from './engine.js';

const port = parentPort;
if (port !== null) {
  const { provider, threads } = workerData as { provider: Provider; threads?: number };
  serveEngine(
    {
      post: (message) => port.postMessage(message),
      listen: (handler) => {
        port.on('message', (message) => {
          // The program asks the thread to end itself, since ending it from outside during a run aborts the process.
          if (message === 'close') port.close();
          else handler(message);
        });
      },
    },
    createEngine(provider, threads),
  );
}

/** What both workers do; they differ in the build of ONNX Runtime that they contain. */
import { serveEngine } from '../port.js';
import { createEngine, type WebDevice, type WebEngineOptions, type WebOrt } from './engine.js';

/** Serves an engine from a worker. The first message holds its options. */
export function serve(ort: WebOrt, device: WebDevice): void {
  // ONNX Runtime starts its own threads from this same file, and listens there itself.
  if (self.name.startsWith('em-pthread')) return;
  const start = ({ data }: MessageEvent) => {
    serveEngine(
      {
        post: (message) => self.postMessage(message),
        listen: (handler) => self.addEventListener('message', ({ data }) => handler(data)),
      },
      createEngine(ort, device, data as WebEngineOptions),
    );
  };
  self.addEventListener('message', start, { once: true });
}

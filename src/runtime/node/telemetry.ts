/** Keeps ONNX Runtime's reporting to its makers off. */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { FoveaError } from '../../errors.js';

const SWITCH = 'ORT_DISABLE_TELEMETRY';

/** Bytes of a command line that a thread of Node's usual size bears, with room to spare. */
const BEARABLE = 8192;

/**
 * Switches off the telemetry that ONNX Runtime 1.30 has on Linux. Nobody has asked for it here; it
 * keeps a number for the machine in ~/.cache; and to find a name for the program it searches the
 * process's command line by a recursion that overflows the stack, so that a long one (from 14 KB in
 * a thread) ends the process. To be called before the package is loaded.
 *
 * @throws FoveaError in a thread of the program's own, whose environment is a copy that ONNX
 *   Runtime does not see, if the command line is too long
 */
export function disableTelemetry(): void {
  const length = isMainThread || process.env[SWITCH] === '1' ? 0 : commandLineLength();
  if (length > BEARABLE) {
    throw new FoveaError(
      `The engine cannot be started from this thread: the command line has ${length} bytes, and ONNX Runtime's telemetry bears ${BEARABLE}. ` +
        `Start the program with ${SWITCH}=1 in its environment, or make the runtime in its main thread.`,
    );
  }
  process.env[SWITCH] = '1';
}

function commandLineLength(): number {
  try {
    return readFileSync('/proc/self/cmdline').length;
  } catch {
    // Only Linux has this file, and only there is the command line read.
    return 0;
  }
}

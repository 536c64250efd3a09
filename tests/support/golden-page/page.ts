/** Golden cases in a browser, on WebAssembly. */
import { verifyCase, type Verification } from '../../../src/parity/verify.js';
import { compareGoldenLoop, GOLDEN_LOOP } from '../../../src/parity/golden-loop.js';
import { createRuntime } from '../../../src/web.js';

/** @param cases names, and bytes in base64 @returns what came of each, as JSON */
async function verify(cases: readonly (readonly [string, string])[]): Promise<string> {
  const runtime = await createRuntime('wasm');
  const results: Verification[] = [];
  for (const [file, base64] of cases) {
    const read = () =>
      Promise.resolve(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
    results.push(await verifyCase(file, read, runtime, { [GOLDEN_LOOP]: compareGoldenLoop }));
  }
  await runtime.close();
  return JSON.stringify(results);
}

Object.assign(window, { page: { verify } });

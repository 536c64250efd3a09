/** `npm run bench`: compiles the library and the benchmark, then measures that JavaScript in plain Node. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const project = fileURLToPath(new URL('./tsconfig.json', import.meta.url));
const { status } = spawnSync(process.execPath, [compiler, '-p', project], { stdio: 'inherit' });
if (status === 0) await import('./build/bench/main.js');
else process.exitCode = 1;

/**
 * `npm run differential -- [--count 1000] [--seed 1] [--python python3] [--output FOLDER]`: random
 * layers in Fovea and in PyTorch. README.md says what is compared, and by which rule.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { createRuntime } from '../../src/runtime/node/create.js';
import { errorsOf, type Layout } from './run-case.js';
import { Results, type Circumstances } from './results.js';
import { readCases } from './stream.js';

const program = new Command('differential')
  .option('--count <n>', 'configurations', Number, 1000)
  .option('--seed <n>', 'of the configurations and of their values', Number, 1)
  .option('--python <path>', 'a Python that has PyTorch 1.13 or later', 'python3')
  .option('--output <folder>', 'write README.md and results.json here');
program.parse();
const options = program.opts<{ count: number; seed: number; python: string; output?: string }>();

const script = join(import.meta.dirname, 'torch_side.py');
const torch = spawn(options.python, [script, String(options.count), String(options.seed)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(torch, 'exit');
const runtime = await createRuntime('cpu', { worker: false });
const results = new Results();
for await (const drawn of readCases(torch.stdout)) {
  const layouts: Layout[] = drawn.about.blocks ? ['plain', 'blocked'] : ['plain'];
  for (const layout of layouts) {
    try {
      results.add(drawn.about, layout, await errorsOf(drawn, runtime, layout));
    } catch (error) {
      results.fail(drawn.about, layout, error);
    }
  }
}
await runtime.close();
const [status] = (await ended) as [number | null];
if (status !== 0) {
  console.error(`PyTorch's side ended with ${status}. Give --python a Python that has PyTorch.`);
  process.exit(1);
}
const failures = results.failures();
for (const line of failures) console.log(line);
console.log(`${results.table()}\n${failures.length} beyond the bound`);
if (options.output !== undefined) {
  mkdirSync(options.output, { recursive: true });
  const circumstances = describe();
  writeFileSync(join(options.output, 'results.json'), results.json(circumstances));
  writeFileSync(join(options.output, 'README.md'), results.page(circumstances));
}
if (failures.length > 0) process.exitCode = 1;

function describe(): Circumstances {
  const root = join(import.meta.dirname, '../..');
  const git = ['rev-parse', '--short', 'HEAD'];
  const ort = join(root, 'node_modules/onnxruntime-node/package.json');
  const { version } = JSON.parse(readFileSync(ort, 'utf8')) as { version: string };
  return {
    count: options.count,
    seed: options.seed,
    commit: execFileSync('git', git, { cwd: root, encoding: 'utf8' }).trim(),
    versions: { Node: process.version, 'ONNX Runtime': version, PyTorch: results.torch },
    processor: cpus()[0]?.model ?? 'an unknown processor',
  };
}

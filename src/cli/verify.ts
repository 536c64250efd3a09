import { basename } from 'node:path';
import { Command } from 'commander';
import { verifyCase, type Verification } from '../parity/verify.js';
import { createRuntime } from '../runtime/node/create.js';
import type { Device } from '../runtime/runtime.js';
import { compareGoldenLoop, GOLDEN_LOOP } from '../parity/golden-loop.js';
import { readFileChecked } from '../formats/node/files.js';
import { EXIT, grouped, printJson, table } from './command.js';
import { filesOf, type FileKind } from './files.js';
import { print } from './output.js';
import { addDeviceOption } from './recipe-options.js';

interface VerifyFlags {
  readonly device: Device;
  readonly json?: boolean;
}

const GOLDEN_CASES: FileKind = { what: 'golden case', extensions: ['safetensors'] };

/** Kinds of tensors in the order in which they are printed. */
const KINDS = ['eval', 'attn', 'train', 'state', 'grad'] as const;

export function verifyCommand(): Command {
  const command = new Command('verify')
    .summary('parity with PyTorch: run golden cases')
    .description(
      'Runs golden cases, modules as PyTorch computed them, in eval, training and backward,\nand compares every number.',
    )
    .argument(
      '<file...>',
      'golden cases, one safetensors file each; a folder\nstands for all in it, and quoted patterns do too',
    );
  addDeviceOption(command)
    .option('--json', 'print the results as JSON')
    .addHelpText(
      'after',
      '\nErrors are relative to the largest value of a tensor, and of a gradient at least to a\nthousandth of the largest one; where float32 itself is less certain than the tolerance,\nto that, and the result says so. Tolerances on the CPU: 2e-5 for\noutputs and inner maps, 1e-5 for running statistics, 1e-4 for gradients; elsewhere 1e-4.\nExits with 1 if a case fails or cannot be read.',
    );
  return command.action(async (files: readonly string[]) => {
    const { device, json } = command.opts<VerifyFlags>();
    const cases = await filesOf(files, GOLDEN_CASES);
    const runtime = await createRuntime(device);
    const results: Verification[] = [];
    try {
      for (const file of cases) {
        const read = () => readFileChecked(file);
        const loop = { [GOLDEN_LOOP]: compareGoldenLoop };
        results.push(await verifyCase(file, read, runtime, loop));
      }
    } finally {
      await runtime.close();
    }
    if (json) printJson(results);
    else print(asText(results));
    if (results.some(({ status }) => status !== 'pass')) process.exitCode = EXIT.failed;
  });
}

function asText(results: readonly Verification[]): string {
  const rows = results.map(({ file, module, status, error }) => [
    basename(file),
    module ?? '-',
    status,
    ...KINDS.map((kind) => error[kind]?.toExponential(1) ?? '-'),
  ]);
  const remarkable = results.filter(({ message }) => message !== '');
  const count = (status: Verification['status'], word: string) => {
    const found = results.filter((result) => result.status === status).length;
    return found > 0 ? [`${grouped(found)} ${word}`] : [];
  };
  const tally = [
    ...count('pass', 'passed'),
    ...count('fail', 'failed'),
    ...count('error', 'could not be compared'),
  ];
  return [
    table([['file', 'module', 'status', ...KINDS], ...rows]),
    ...remarkable.map(({ file, status, message }) =>
      // The errors of a file name it themselves.
      message.includes(file) ? `\n${status}: ${message}\n` : `\n${status}: ${file}: ${message}\n`,
    ),
    `\n${results.length === 1 ? '1 case' : `${grouped(results.length)} cases`}: ${tally.join(', ')}\n`,
  ].join('');
}

#!/usr/bin/env node
/** The `fovea` command: one thin file per subcommand. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { EXIT, exitCodeOf, report } from './command.js';
import { compareCommand } from './compare.js';
import { convertCommand } from './convert.js';
import { costCommand } from './cost.js';
import { dataCommand } from './data.js';
import { evalCommand } from './eval.js';
import { explainCommand } from './explain.js';
import { exportCommand } from './export.js';
import { listCommand } from './list.js';
import { predictCommand } from './predict.js';
import { reportCommand } from './report.js';
import { print, tell } from './output.js';
import { trainCommand } from './train.js';
import { verifyCommand } from './verify.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

// A reader that has gone away (`fovea list | head`) is no reason to end a run, or to complain.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = EXIT.failed;
  });
}

const program = new Command('fovea')
  .description(
    'Visual attention for TypeScript: train, compare and ship convolutional networks\nwith attention.',
  )
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'show this help')
  .helpCommand('help [command]', 'show the help of a command')
  .showSuggestionAfterError()
  .configureOutput({ writeOut: print, writeErr: tell })
  .showHelpAfterError('(add --help for all flags)')
  .addHelpText(
    'after',
    '\nExit codes: 0 done; 1 it failed; 2 the request was wrong; 130 interrupted, after\nsaving.',
  );

const commands = [
  trainCommand(),
  evalCommand(),
  predictCommand(),
  compareCommand(),
  reportCommand(),
  explainCommand(),
  exportCommand(),
  convertCommand(),
  dataCommand(),
  listCommand(),
  costCommand(),
  verifyCommand(),
];
for (const command of commands) program.addCommand(command.copyInheritedSettings(program));
for (const command of [program, ...program.commands]) command.exitOverride();

try {
  await program.parseAsync();
  process.exitCode ??= EXIT.done;
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}

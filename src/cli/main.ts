#!/usr/bin/env node
/** The `fovea` command: one thin file per subcommand. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { EXIT, exitCodeOf, report } from './command.js';
import { trainCommand } from './train.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('fovea')
  .description(
    'Visual attention for TypeScript: train, compare and ship convolutional networks with attention.',
  )
  .version(version)
  .showSuggestionAfterError()
  .showHelpAfterError('(add --help for all flags)')
  .addHelpText(
    'after',
    '\nExit codes: 0 done; 1 it failed; 2 the request was wrong; 130 interrupted, after saving.',
  );

for (const command of [trainCommand()]) program.addCommand(command.copyInheritedSettings(program));
for (const command of [program, ...program.commands]) command.exitOverride();

try {
  await program.parseAsync();
  process.exitCode ??= EXIT.done;
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}

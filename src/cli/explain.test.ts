import { describe, expect, it } from 'vitest';
import { explainCommand } from './explain.js';

/** Runs the command with flags that must be refused before anything is opened. */
const refused = (flags: readonly string[]) => {
  const command = explainCommand().exitOverride();
  command.configureOutput({ writeErr: () => undefined });
  return expect(command.parseAsync(flags, { from: 'user' })).rejects;
};

describe('fovea explain', () => {
  it('asks for a run or weights', () =>
    refused([]).toThrow(
      'Say what to look into: either --run FOLDER, or --model ID with --weights FILE.',
    ));

  it.each(['--indices', '--dataset'])('takes files or places by %s, not both', (flag) =>
    refused(['--run', 'x', '--images', 'a.png', flag, '1,2']).toThrow(
      'either --images or --indices',
    ),
  );

  it.each([
    ['--query', '0.5'],
    ['--query', '0.5,0.5,0.5'],
    ['--query', '0.5,2'],
    ['--query', 'middle'],
    ['--indices', '1,x'],
    ['--count', '0'],
    ['--localise', '-1'],
    ['--checkpoint', 'newest'],
  ])('refuses %s %s', (flag, value) =>
    refused(['--run', 'x', flag, value]).toMatchObject({ code: 'commander.invalidArgument' }),
  );

  it('names what is missing', () =>
    refused(['--run', 'no/such/run']).toThrow(
      'no/such/run is not the folder of a run: there is no such folder.',
    ));
});

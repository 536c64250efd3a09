/** The flags for the statistics that weights were trained with, if not those of the data set. */
import { InvalidArgumentError, type Command } from 'commander';
import type { Normalization } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import { number } from './command.js';

/** What the flags below are parsed into. */
export interface NormalizationFlags {
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** `--mean` and `--std`. */
export function addNormalizationOptions(command: Command): Command {
  return command
    .option(
      '--mean <r,g,b>',
      'mean by which the weights want pixels from 0 to 1\nnormalised, as 0.485,0.456,0.406',
      numbers,
    )
    .option('--std <r,g,b>', 'and their standard deviation, as 0.229,0.224,0.225', numbers);
}

/** What was given, for `{...}`. @throws RequestError for one without the other */
export function normalizationFrom({ mean, std }: NormalizationFlags): {
  normalization?: Normalization;
} {
  if (mean === undefined && std === undefined) return {};
  if (mean === undefined || std === undefined) {
    const [given, missing] = mean ? ['--mean', '--std'] : ['--std', '--mean'];
    throw new RequestError(`${given} was given without ${missing}: images are normalised by both.`);
  }
  return { normalization: { mean, std } };
}

function numbers(text: string): number[] {
  return text.split(',').map((part) => {
    try {
      return number(-Infinity)(part);
    } catch {
      throw new InvalidArgumentError('Expected a number for each channel, as 0.485,0.456,0.406.');
    }
  });
}

import { extname } from 'node:path';
import { Command } from 'commander';
import { RequestError } from '../errors.js';
import { formatShape } from '../tensor/shape.js';
import { convertWeights, type Converted } from '../weights/node/convert.js';
import { nameMaps } from '../weights/names.js';
import { grouped, printJson, table } from './command.js';
import { addNamesOption } from './weights-options.js';

interface ConvertFlags {
  readonly names?: keyof typeof nameMaps;
  readonly reverse?: boolean;
  readonly part?: string;
  readonly json?: boolean;
}

export function convertCommand(): Command {
  const command = new Command('convert')
    .summary('weights of PyTorch and safetensors, into safetensors')
    .description(
      'List the weights in a PyTorch (.pt, .pth) or safetensors file and, if a second file is named, ' +
        'write them there as safetensors. Nothing that is in the file is executed.',
    )
    .argument('<in>', 'the file to read')
    .argument('[out]', 'the safetensors file to write');
  addNamesOption(command)
    .option('--reverse', 'apply --names backwards, from our names to theirs')
    .option('--part <key>', 'of a PyTorch checkpoint: the part that the weights are')
    .option('--json', 'print the list as JSON');
  return command.action(async (from: string, to: string | undefined) => {
    const { names, reverse = false, part, json } = command.opts<ConvertFlags>();
    if (reverse && names === undefined) {
      throw new RequestError('--reverse turns a name map round: give one with --names.');
    }
    if (to !== undefined && extname(to) !== '.safetensors') {
      throw new RequestError(
        `Only safetensors files are written: call it ${to.slice(0, to.length - extname(to).length)}.safetensors instead of ${to}.`,
      );
    }
    const converted = await convertWeights(from, to, {
      ...(names && { names: nameMaps[names] }),
      reverse,
      ...(part !== undefined && { part }),
    });
    if (json) printJson(converted);
    else process.stdout.write(said(converted));
  });
}

function said({ from, to, format, part, tensors, metadata, leftOut }: Converted): string {
  const values = tensors.reduce((total, tensor) => total + tensor.values, 0);
  const beside = Object.entries(metadata).map(([name, value]) => `${name}: ${shortened(value)}\n`);
  return (
    table([
      ['name', 'values', 'type', 'shape'],
      ...tensors.map(({ name, values: count, dtype, shape }) => [
        name,
        count,
        dtype,
        formatShape(shape),
      ]),
    ]) +
    `\n${from} (${format}${part === '' ? '' : `, ${part}`}): ${grouped(tensors.length)} tensors, ${grouped(values)} values\n` +
    beside.join('') +
    leftOut.map((other) => `left out: ${other}\n`).join('') +
    (to === undefined ? '' : `Written to ${to}\n`)
  );
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

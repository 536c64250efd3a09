import { basename, extname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { FoveaError, RequestError } from '../errors.js';
import { counted } from '../experiments/report/format.js';
import { formatShape } from '../tensor/shape.js';
import { convertWeights, type Converted, type ConvertOptions } from '../weights/node/convert.js';
import { makeFolder } from '../formats/node/files.js';
import { wrapperPrefix } from '../weights/wrappers.js';
import { EXIT, printJson, table } from './command.js';
import { filesOf, type FileKind } from './files.js';
import { print, tell, visibleLine } from './output.js';
import { addFileOptions, weightsChoice, type FileFlags } from './weights-options.js';

interface ConvertFlags extends FileFlags {
  readonly reverse?: boolean;
  readonly json?: boolean;
}

const WEIGHTS: FileKind = {
  what: 'file of weights',
  extensions: ['pt', 'pth', 'th', 'ckpt', 'bin', 'safetensors'],
};

/** How many lines tell what was left out. */
const SHOWN = 20;

export function convertCommand(): Command {
  const command = new Command('convert')
    .summary('weights of PyTorch and safetensors, into safetensors')
    .description(
      'List the weights in a PyTorch (.pt, .pth) or safetensors file and, if a second file is named, ' +
        'write them there as safetensors. Nothing that is in the file is executed. Of a folder or a ' +
        'quoted pattern, all files, and the second name is a folder for what comes of them.',
    )
    .argument('<in>', 'the file to read; a folder or a pattern for several')
    .argument('[out]', 'the safetensors file to write; for several a folder');
  addFileOptions(command)
    .option('--reverse', 'apply --names and --prefix backwards, from our names\nto theirs')
    .option('--json', 'print the list as JSON');
  return command.action(async (from: string, to: string | undefined) => {
    const { reverse = false, json, ...file } = command.opts<ConvertFlags>();
    if (reverse && file.names === undefined && file.prefix === undefined) {
      throw new RequestError(
        '--reverse turns a name map round: give one with --names, or a --prefix to add.',
      );
    }
    const options: ConvertOptions = { ...weightsChoice(file), reverse };
    const files = await filesOf([from], WEIGHTS);
    if (files.length > 1 || files[0] !== from) {
      await convertAll(files, to, options, json);
      return;
    }
    if (to !== undefined && extname(to) !== '.safetensors') {
      throw new RequestError(
        `Only safetensors files are written: call it ${stem(to)}.safetensors instead of ${to}.`,
      );
    }
    const converted = await convertWeights(from, to, options);
    if (json) printJson(converted);
    else print(said(converted));
  });
}

/** One file after the other; what is wrong with one does not stop the others. */
async function convertAll(
  files: readonly string[],
  folder: string | undefined,
  options: ConvertOptions,
  json: boolean | undefined,
): Promise<void> {
  const targets = files.map((file) =>
    folder === undefined ? undefined : join(folder, `${basename(stem(file))}.safetensors`),
  );
  const twice = targets.findIndex((to, i) => to !== undefined && targets.indexOf(to) !== i);
  if (twice !== -1) {
    const first = files[targets.indexOf(targets[twice])] ?? '';
    throw new RequestError(
      `${first} and ${files[twice] ?? ''} would both become ${targets[twice] ?? ''}. Convert them one by one.`,
    );
  }
  const own = files.find((file, i) => resolve(file) === resolve(targets[i] ?? ''));
  if (own !== undefined) {
    throw new RequestError(`${own} would be written over. Choose another folder than its own.`);
  }
  if (folder !== undefined) await makeFolder(folder);
  const all: Converted[] = [];
  for (const [i, file] of files.entries()) {
    try {
      const converted = await convertWeights(file, targets[i], options);
      all.push(converted);
      if (!json) print(`${said(converted)}\n`);
    } catch (error) {
      if (!(error instanceof FoveaError)) throw error;
      tell(`fovea: ${error.message}\n`);
      process.exitCode = EXIT.badRequest;
    }
  }
  if (json) printJson(all);
}

/** A file's path without its extension. */
function stem(file: string): string {
  return file.slice(0, file.length - extname(file).length);
}

function said({ from, to, format, part, tensors, metadata, leftOut }: Converted): string {
  const values = tensors.reduce((total, tensor) => total + tensor.values, 0);
  const wrapper = wrapperPrefix(tensors.map(({ name }) => name));
  const beside = Object.entries(metadata).map(
    ([name, value]) => `${visibleLine(`${name}: ${shortened(value)}`)}\n`,
  );
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
    `\n${from} (${format}${part === '' ? '' : `, ${part}`}): ${counted(tensors.length, 'tensor')}, ${counted(values, 'value')}\n` +
    beside.join('') +
    leftOut
      .slice(0, SHOWN)
      .map((other) => `${visibleLine(`left out: ${other}`)}\n`)
      .join('') +
    (leftOut.length > SHOWN ? `left out: ${leftOut.length - SHOWN} more\n` : '') +
    (wrapper === undefined
      ? ''
      : `Every name begins with ${wrapper}.: --prefix ${wrapper} takes it away.\n`) +
    (to === undefined ? '' : `Written to ${to}\n`)
  );
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

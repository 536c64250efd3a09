import { Command } from 'commander';
import { exportWeights, type Exported } from '../training/node/export.js';
import { grouped, imageShape, printJson, whole } from './command.js';
import { print } from './output.js';
import { addDatasetOption, addModelOptions, recipeFrom } from './recipe-options.js';
import { addWeightsOptions, weightsRequest, type WeightsFlags } from './weights-options.js';

interface ExportFlags extends WeightsFlags {
  readonly output: string;
  readonly expose?: readonly string[] | true;
  readonly pixels?: boolean;
  readonly batch?: number;
  readonly input?: readonly number[];
  readonly json?: boolean;
}

export function exportCommand(): Command {
  const command = new Command('export')
    .summary('a trained model as an ONNX file')
    .description(
      'Write a trained model, of a run or of a file of weights, as an ONNX file that any runtime ' +
        'can run: images [batch, C, H, W] to logits [batch, classes], for any number of images.',
    )
    .usage(
      '--run <folder> --output <file>\n       fovea export --model <id> --weights <file> --output <file>',
    )
    .optionsGroup('What to export:');
  addDatasetOption(addModelOptions(addWeightsOptions(command)))
    .optionsGroup('The file:')
    .requiredOption('--output <file>', 'where to write, as model.onnx')
    .option(
      '--expose [name...]',
      "inner maps and gates as further outputs, * for\nanything, as 'layer3.*.spatial' (without a name: all)",
    )
    .option(
      '--pixels',
      'take pixels from 0 to 1 and normalise them in the\nfile, which needs --mean and --std for weights that\nare not of a run (default: normalised images)',
    )
    .option('--batch <n>', 'a fixed number of images (default: any)', whole(1))
    .option('--input <c,h,w>', "size of an image (default: the data set's)", imageShape)
    .option('--json', 'print what was written as JSON');
  return command.action(async () => {
    const { output, expose, pixels, batch, input, json, ...flags } = command.opts<ExportFlags>();
    const exported = await exportWeights({
      ...(await weightsRequest(flags, recipeFrom(command), [], 'export')),
      output,
      ...(expose && { expose: expose === true ? ['*'] : expose }),
      ...(pixels && { pixels }),
      ...(batch !== undefined && { batch }),
      ...(input && { image: input }),
    });
    if (json) printJson(exported);
    else print(said(exported));
  });
}

function said({ output, bytes, inputs, outputs, metadata }: Exported): string {
  const [, ...maps] = outputs;
  const { images = [] } = inputs;
  return (
    `${output}: ${grouped(bytes)} bytes\n` +
    `images [${images.join(', ')}], ${metadata['fovea.input'] ?? ''} -> logits [${String(images[0])}, ${metadata['fovea.classes'] ?? ''}]\n` +
    maps.map((name) => `  and ${name}\n`).join('')
  );
}

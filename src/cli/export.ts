import { Command } from 'commander';
import { exportWeights, type Exported } from '../training/node/export.js';
import { grouped, imageShape, printJson, whole } from './command.js';
import { print } from './output.js';
import { addDatasetOption, addModelOptions, recipeFrom } from './recipe-options.js';
import {
  addClassesOption,
  addWeightsOptions,
  weightsRequest,
  type WeightsFlags,
} from './weights-options.js';

interface ExportFlags extends WeightsFlags {
  readonly output: string;
  readonly expose?: readonly string[] | true;
  readonly pixels?: boolean;
  readonly batch?: number;
  readonly auxiliary?: boolean;
  readonly input?: readonly number[];
  readonly json?: boolean;
}

export function exportCommand(): Command {
  const command = new Command('export')
    .summary('a trained model as an ONNX file')
    .description(
      'Write a trained model, of a run or of a file of weights, as an ONNX file that any runtime ' +
        'can run, for any number of images [batch, C, H, W]: to logits [batch, classes], for ' +
        'segmentation [batch, classes, H, W], for contrastive learning to embeddings and features.',
    )
    .usage(
      '--run <folder> --output <file>\n       fovea export --model <id> --weights <file> --output <file>',
    )
    .optionsGroup('What to export:');
  const described = addModelOptions(addWeightsOptions(command)).optionsGroup('Data:');
  addClassesOption(addDatasetOption(described))
    .optionsGroup('The file:')
    .requiredOption('--output <file>', 'where to write, as model.onnx')
    .option(
      '--expose [name...]',
      "inner maps and gates as further outputs, * for\nanything, as 'layer3.*.spatial' (without a name: all)",
    )
    .option(
      '--pixels',
      'take pixels from 0 to 1 and normalise them in the file, which needs --mean and --std for weights that are not of a run (default: normalised images)',
    )
    .option('--auxiliary', 'segmentation: the auxiliary outputs of its head too')
    .option('--batch <n>', 'a fixed number of images (default: any)', whole(1))
    .option('--input <c,h,w>', "size of an image (default: the data set's)", imageShape)
    .option('--json', 'print what was written as JSON');
  return command.action(async () => {
    const { output, expose, pixels, batch, auxiliary, input, json, ...flags } =
      command.opts<ExportFlags>();
    const exported = await exportWeights({
      ...(await weightsRequest(flags, recipeFrom(command), [], 'export')),
      output,
      ...(expose && { expose: expose === true ? ['*'] : expose }),
      ...(pixels && { pixels }),
      ...(auxiliary && { auxiliary }),
      ...(batch !== undefined && { batch }),
      ...(input && { image: input }),
    });
    if (json) printJson(exported);
    else print(said(exported));
  });
}

function said({ output, bytes, inputs, outputs, shapes, metadata }: Exported): string {
  const { images = [] } = inputs;
  const end = (name: string): string => `${name} [${(shapes[name] ?? []).join(', ')}]`;
  const [first = '', ...more] = outputs;
  return (
    `${output}: ${grouped(bytes)} bytes\n` +
    `images [${images.join(', ')}], ${metadata['fovea.input'] ?? ''} -> ${end(first)}\n` +
    more.map((name) => `  and ${end(name)}\n`).join('')
  );
}

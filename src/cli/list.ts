import { Command } from 'commander';
import { attention, type AttentionEntry } from '../attention/index.js';
import { DATASETS } from '../data/catalog.js';
import { cost, type Cost } from '../inspect/cost.js';
import { createModel, listModels } from '../models/index.js';
import { printJson, table } from './command.js';

/** What models are counted with. */
const CLASSES = 100;
/** What a mechanism is counted on: a feature map [C, H, W]. */
const FEATURE_MAP = [64, 32, 32] as const;

export function listCommand(): Command {
  const command = new Command('list')
    .summary('models, attention mechanisms and data sets')
    .description('Models, attention mechanisms and data sets, with what they cost.')
    .option('--json', 'print all that is known of them as JSON');
  return command.action(() => {
    if (command.opts<{ json?: boolean }>().json) printJson(everything());
    else process.stdout.write(asText(everything()));
  });
}

function everything() {
  return {
    models: listModels().map((entry) => ({
      ...entry,
      classes: CLASSES,
      ...cost(createModel(entry.id, { classes: CLASSES }), entry.input),
    })),
    // What JSON has no form for, the function that builds the mechanism, it leaves out.
    attention: attention.list().map((entry) => ({
      ...entry,
      featureMap: FEATURE_MAP,
      ...costOfMechanism(entry),
    })),
    datasets: Object.values(DATASETS),
  };
}

/** Mechanisms that join several maps, or change their shape, are built but not run. */
function costOfMechanism({
  id,
  inputs,
  keepsShape,
  options,
}: AttentionEntry): Pick<Cost, 'parameters'> & { macs: number | null } {
  const [channels, height, width] = FEATURE_MAP;
  // A mechanism that is made for maps of one size is told which.
  const given = 'positions' in options ? { positions: height * width } : {};
  if (inputs === 1 && keepsShape) {
    return cost(attention.createLayer({ id, options: given }, channels), FEATURE_MAP);
  }
  return { parameters: attention.create(id, channels, given).parameterCount(), macs: null };
}

function asText({
  models,
  attention: mechanisms,
  datasets,
}: ReturnType<typeof everything>): string {
  return [
    `Models (--model), for ${CLASSES} classes and images of 3x32x32:\n`,
    table([
      ['id', 'parameters', 'multiply-adds', 'network'],
      ...models.map(({ id, parameters, macs, title }) => [id, parameters, macs, title]),
    ]),
    `\nAttention (--attention), on feature maps of ${FEATURE_MAP.join('x')}:\n`,
    table([
      ['id', 'parameters', 'multiply-adds', 'domain', 'mechanism', 'options'],
      ...mechanisms.map(({ id, parameters, macs, domain, title, options }) => [
        id,
        parameters,
        macs ?? 'n/a',
        domain,
        title,
        Object.entries(options)
          .map(([name, value]) => `${name}=${String(value)}`)
          .join(','),
      ]),
    ]),
    '\nData sets (--dataset):\n',
    table([
      ['id', 'train', 'val', 'classes', 'size', 'data set'],
      ...datasets.map(({ id, train, val, classes, channels, height, width, title }) => [
        id,
        train,
        val,
        classes,
        `${channels}x${height}x${width}`,
        title,
      ]),
    ]),
  ].join('');
}

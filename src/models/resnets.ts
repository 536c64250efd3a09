/** The residual networks of He et al., as models. */
import { attention } from '../attention/registry.js';
import { RequestError } from '../errors.js';
import { suggestion } from '../suggest.js';
import type { Placement, Shortcut } from './blocks.js';
import { defineModel, type Model, type ModelOptions } from './model.js';
import { ResNet, type ResNetOptions, type Stem } from './resnet.js';

const INPUT = [3, 32, 32] as const;

/** What makes one network differ from another. */
type Form = Pick<ResNetOptions, 'block' | 'depths' | 'width' | 'shortcut'>;

function resnet<const Id extends string>(
  id: Id,
  title: string,
  form: Form,
): Model<Id, ModelOptions, ResNet> {
  return defineModel({
    id,
    title,
    paper: 'He, Zhang, Ren and Sun, CVPR 2016',
    year: 2016,
    arxiv: '1512.03385',
    input: INPUT,
    takesAttention: true,
    create: (options: ModelOptions) => build(id, form, options),
  });
}

/** The thin ones of the paper's section 4.2: 6n + 2 layers in three stages of 16, 32 and 64 channels. */
function thin<const Layers extends number>(
  layers: Layers,
): Model<`resnet${Layers}`, ModelOptions, ResNet> {
  const n = (layers - 2) / 6;
  return resnet(`resnet${layers}`, `ResNet-${layers} for CIFAR`, {
    block: 'basic',
    depths: [n, n, n],
    width: 16,
    shortcut: 'padding',
  });
}

/** The paper's ImageNet networks with a stem for small images: 3x3, stride 1, no max-pool (document 000). */
function wide<const Layers extends number>(
  layers: Layers,
  block: Form['block'],
  depths: readonly number[],
): Model<`resnet${Layers}`, ModelOptions, ResNet> {
  return resnet(`resnet${layers}`, `ResNet-${layers} with a 3x3 stem`, {
    block,
    depths,
    width: 64,
    shortcut: 'projection',
  });
}

export const resnets = [
  thin(20),
  thin(32),
  thin(44),
  thin(56),
  thin(110),
  wide(18, 'basic', [2, 2, 2, 2]),
  wide(34, 'basic', [3, 4, 6, 3]),
  wide(50, 'bottleneck', [3, 4, 6, 3]),
  wide(101, 'bottleneck', [3, 4, 23, 3]),
  wide(152, 'bottleneck', [3, 8, 36, 3]),
] as const;

/** The options that a ResNet has. */
const OPTION_NAMES = [
  'classes',
  'channels',
  'attention',
  'placement',
  'stages',
  'width',
  'shortcut',
  'stem',
  'imageSize',
  'seed',
] as const;

/** The values that an option may have, where they can be listed. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  placement: ['before-addition', 'after-addition'] satisfies Placement[],
  shortcut: ['projection', 'padding'] satisfies Shortcut[],
  stem: ['cifar', 'imagenet'] satisfies Stem[],
};

function build(id: string, form: Form, options: ModelOptions): ResNet {
  checkOptions(id, options);
  const { placement = 'before-addition', classes = 10, channels = INPUT[0] } = options;
  const slot = options.attention === undefined ? undefined : attention.slot(options.attention);
  const stages = options.stages ?? slot?.stages;
  if (stages !== undefined && slot === undefined) {
    throw new RequestError(
      `Stages [${stages.join(', ')}] were given for the attention, but no attention. Choose one, or leave the stages out.`,
    );
  }
  if (options.stages !== undefined && slot?.stages !== undefined) {
    throw new RequestError(
      `The attention's stages are given twice, as [${options.stages.join(', ')}] and with the attention as [${slot.stages.join(', ')}]. Leave out one of them.`,
    );
  }
  return new ResNet({
    ...form,
    ...(options.width !== undefined && { width: options.width }),
    ...(options.stem !== undefined && { stem: options.stem }),
    ...(options.shortcut !== undefined && { shortcut: options.shortcut }),
    classes,
    channels,
    placement,
    imageSize: options.imageSize ?? [INPUT[1], INPUT[2]],
    ...(stages !== undefined && { stages }),
    ...(slot && { attention: slot.createLayer }),
  });
}

function checkOptions(id: string, options: ModelOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!OPTION_NAMES.some((known) => known === name)) {
      throw new RequestError(
        `The model '${id}' has no option '${name}'. ${suggestion(name, OPTION_NAMES)}`,
      );
    }
    const allowed = CHOICES[name];
    if (allowed && value !== undefined && !allowed.some((known) => known === value)) {
      throw new RequestError(`Unknown ${name} '${value}'. ${suggestion(String(value), allowed)}`);
    }
  }
}

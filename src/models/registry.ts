/** The models by name, and the one function that makes them. */
import { attention, type AttentionChoice } from '../attention/registry.js';
import { RequestError } from '../errors.js';
import { suggestion } from '../suggest.js';
import type { Placement, Shortcut } from './blocks.js';
import { ResNet } from './resnet.js';

/** What a person may choose about a model. */
export interface ModelOptions {
  /** Number of classes. Default 10. */
  readonly classes?: number;
  /**
   * A mechanism for the attention slot of every block: its id, its id and options, or a function
   * that makes a module of one's own for so many channels. Default 'none'.
   */
  readonly attention?: AttentionChoice;
  /** Where the slot is in a block. Default 'before-addition'. */
  readonly placement?: Placement;
  /** Stages whose blocks have it, counted from 1. Default all. */
  readonly stages?: readonly number[];
  /** Channels of the first stage. Default: the model's own. */
  readonly width?: number;
  /** How shortcuts change size. Default: the model's own. */
  readonly shortcut?: Shortcut;
  /**
   * Height and width of the images, for attention that is made for maps of one size. Default: those
   * of the model's `input`.
   */
  readonly imageSize?: readonly [number, number];
  /** Draws the parameters; without it they are drawn with seed 0 when they are first needed. */
  readonly seed?: number;
}

/** One model, as `fovea list` shows it. */
export interface ModelEntry {
  readonly id: string;
  readonly title: string;
  readonly paper: string;
  readonly year: number;
  readonly arxiv: string;
  /** One image that it is made for: C, H, W. */
  readonly input: readonly [number, number, number];
  readonly block: 'basic' | 'bottleneck';
  /** Number of blocks in each stage. */
  readonly depths: readonly number[];
  readonly width: number;
  readonly shortcut: Shortcut;
}

const he = {
  paper: 'He, Zhang, Ren and Sun, CVPR 2016',
  year: 2016,
  arxiv: '1512.03385',
  input: [3, 32, 32],
} as const;

/** The thin ones of the paper's section 4.2: 6n + 2 layers in three stages of 16, 32 and 64 channels. */
function thin(layers: number): ModelEntry {
  const n = (layers - 2) / 6;
  return {
    id: `resnet${layers}`,
    title: `ResNet-${layers} for CIFAR`,
    ...he,
    block: 'basic',
    depths: [n, n, n],
    width: 16,
    shortcut: 'padding',
  };
}

/** The paper's ImageNet networks with a stem for small images: 3x3, stride 1, no max-pool (seed 000). */
function wide(
  layers: number,
  block: 'basic' | 'bottleneck',
  depths: readonly number[],
): ModelEntry {
  return {
    id: `resnet${layers}`,
    title: `ResNet-${layers} with a 3x3 stem`,
    ...he,
    block,
    depths,
    width: 64,
    shortcut: 'projection',
  };
}

const entries: readonly ModelEntry[] = [
  ...[20, 32, 44, 56, 110].map(thin),
  wide(18, 'basic', [2, 2, 2, 2]),
  wide(34, 'basic', [3, 4, 6, 3]),
  wide(50, 'bottleneck', [3, 4, 6, 3]),
  wide(101, 'bottleneck', [3, 4, 23, 3]),
  wide(152, 'bottleneck', [3, 8, 36, 3]),
];

/** All models. */
export function listModels(): readonly ModelEntry[] {
  return entries;
}

const OPTION_NAMES = [
  'classes',
  'attention',
  'placement',
  'stages',
  'width',
  'shortcut',
  'imageSize',
  'seed',
] as const;

/** The values that an option may have, where they can be listed. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  placement: ['before-addition', 'after-addition'] satisfies Placement[],
  shortcut: ['projection', 'padding'] satisfies Shortcut[],
};

/**
 * Makes a model: `createModel('resnet20', { classes: 100, attention: 'se', seed: 1 })`.
 * @throws RequestError for an unknown model, attention, option or value; names the nearest ones
 */
export function createModel(id: string, options: ModelOptions = {}): ResNet {
  const entry = entries.find((candidate) => candidate.id === id);
  if (entry === undefined) {
    const ids = entries.map((candidate) => candidate.id);
    throw new RequestError(`Unknown model '${id}'. ${suggestion(id, ids)}`);
  }
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
  const { attention: wanted, placement = 'before-addition', stages, classes = 10, seed } = options;
  const choice = wanted === 'none' ? undefined : wanted;
  if (stages !== undefined && choice === undefined) {
    throw new RequestError(
      `Stages [${stages.join(', ')}] were given for the attention, but no attention. Choose one, or leave the stages out.`,
    );
  }
  const model = new ResNet({
    block: entry.block,
    depths: entry.depths,
    width: options.width ?? entry.width,
    classes,
    shortcut: options.shortcut ?? entry.shortcut,
    placement,
    ...(stages !== undefined && { stages }),
    imageSize: options.imageSize ?? [entry.input[1], entry.input[2]],
    ...(choice !== undefined && {
      attention: (channels: number, height: number, width: number) =>
        attention.createLayer(choice, channels, height, width),
    }),
  });
  model.assignPaths();
  return seed === undefined ? model : model.initialize(seed);
}

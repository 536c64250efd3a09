import { RequestError } from '../errors.js';
import { BatchNorm2d } from '../nn/layers/normalization.js';
import { Conv2d } from '../nn/layers/conv.js';
import { Linear } from '../nn/layers/linear.js';
import { Sequential } from '../nn/layers/container.js';
import { Module, type Layer } from '../nn/module.js';
import { suggestion } from '../suggest.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  BasicBlock,
  Bottleneck,
  type BlockOptions,
  type Placement,
  type Shortcut,
} from './blocks.js';

/**
 * What an image meets first. 'cifar': a 3x3 convolution, which keeps the size. 'imagenet': a 7x7
 * convolution of stride 2 and a 3x3 max-pool of stride 2, which leave a quarter of height and width.
 */
export type Stem = 'cifar' | 'imagenet';

const STEMS: readonly Stem[] = ['cifar', 'imagenet'];

/** Options of {@link ResNet}. */
export interface ResNetOptions {
  readonly block: 'basic' | 'bottleneck';
  /** Number of blocks in each stage. */
  readonly depths: readonly number[];
  /** Channels of the first stage; each further stage has twice as many. */
  readonly width: number;
  /** Number of classes; 0: no classifier, forward gives the pooled features. */
  readonly classes: number;
  /** Channels of the images: 1 for grey, 3 for RGB, 4 for RGBA. Default 3. */
  readonly channels?: number;
  /** Default 'cifar'. */
  readonly stem?: Stem;
  readonly shortcut: Shortcut;
  /** Default 'before-addition'. */
  readonly placement?: Placement;
  /** Makes the attention of every block, for its output maps' channels, height and width; default none. */
  readonly attention?: (channels: number, height: number, width: number) => Layer;
  /** Stages whose blocks have the attention, counted from 1. Default all. */
  readonly stages?: readonly number[];
  /** Height and width of the images, for attention that is made for maps of one size. Default 32, 32. */
  readonly imageSize?: readonly [number, number];
}

/**
 * Residual network. He, Zhang, Ren and Sun, CVPR 2016, arXiv 1512.03385.
 *
 *   stem     convolution, BatchNorm, ReLU, see Stem    [B, channels, H, W] -> [B, width, h, w]
 *   layer i  depths[i] blocks, the first of which halves H and W (but for layer1) and doubles C
 *   head     mean over H, W [B, D], then linear        -> [B, classes]
 *
 * Layers are initialised as torch initialises them, which is what document 000 trains with; He et al.
 * draw normal weights of deviation sqrt(2 / fan-out) instead.
 */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  /** Absent for 0 classes. */
  readonly linear: Linear | undefined;
  /** Channels of each stage's map, from shallow to deep. */
  readonly featureChannels: readonly number[];
  /** Height and width of each stage's map for images of `imageSize`. */
  readonly featureSizes: readonly (readonly [number, number])[];
  /** Numbers per image that `forward` gives: the classes, or without them the deepest map's channels. */
  readonly outFeatures: number;
  readonly #stages: readonly Sequential[];
  readonly #stem: Stem;

  /** @throws RequestError if a size is not a positive integer, there is no such stage, or two slots get one module */
  constructor({
    block,
    depths,
    width,
    classes,
    channels: imageChannels = 3,
    stem = 'cifar',
    shortcut,
    placement = 'before-addition',
    attention,
    stages = depths.map((_, stage) => stage + 1),
    imageSize = [32, 32],
  }: ResNetOptions) {
    super();
    const [height, imageWidth] = imageSize;
    requireCount('classes', classes, 0);
    for (const [name, value] of Object.entries({
      width,
      channels: imageChannels,
      'image height': height,
      'image width': imageWidth,
    })) {
      requireCount(name, value, 1);
    }
    if (!STEMS.includes(stem)) {
      throw new RequestError(`Unknown stem '${stem}' of a ResNet. ${suggestion(stem, STEMS)}`);
    }
    checkStages(stages, depths.length);
    this.#stem = stem;
    const Block = block === 'basic' ? BasicBlock : Bottleneck;
    this.conv1 =
      stem === 'imagenet'
        ? new Conv2d(imageChannels, width, 7, { stride: 2, padding: 3, bias: false })
        : new Conv2d(imageChannels, width, 3, { padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(width);
    this.featureChannels = depths.map((_, stage) => width * 2 ** stage * Block.expansion);
    this.featureSizes = depths.map((_, stage) => sizeInStage(imageSize, stem, stage));
    const attentionOf = attention && distinct(attention);
    let channels = width;
    this.#stages = depths.map((depth, stage) => {
      const options: BlockOptions = {
        shortcut,
        placement,
        attention:
          attentionOf && stages.includes(stage + 1)
            ? (count) => attentionOf(count, ...sizeInStage(imageSize, stem, stage))
            : undefined,
      };
      const blocks = Array.from({ length: depth }, (_, i) => {
        const inner = width * 2 ** stage;
        const made = new Block(channels, inner, stage > 0 && i === 0 ? 2 : 1, options);
        channels = inner * Block.expansion;
        return made;
      });
      return new Sequential(...blocks);
    });
    // The properties layer1, layer2, .. are what the state_dict is made from.
    Object.assign(this, Object.fromEntries(this.#stages.map((s, i) => [`layer${i + 1}`, s])));
    this.linear = classes === 0 ? undefined : new Linear(channels, classes);
    this.outFeatures = classes === 0 ? channels : classes;
  }

  /**
   * The maps of all stages, from shallow to deep.
   * @param x images [B, channels, H, W]
   * @returns [B, featureChannels[i], H_i, W_i]; each stage but the first has half the height and width, rounded up
   */
  features(x: Tensor): Tensor[] {
    const stem = this.bn1.forward(this.conv1.forward(x)).relu();
    let map = this.#stem === 'imagenet' ? stem.maxPool(3, { stride: 2, padding: 1 }) : stem;
    return this.#stages.map((stage) => (map = stage.forward(map)));
  }

  /** @param x images [B, channels, H, W] @returns logits [B, classes]; for 0 classes the pooled features [B, D] */
  override forward(x: Tensor): Tensor {
    const pooled = (this.features(x).at(-1) ?? x).mean([2, 3]);
    return this.linear ? this.linear.forward(pooled) : pooled;
  }
}

function requireCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  const expected = least === 0 ? '0 or a positive integer' : 'a positive integer';
  throw new RequestError(`A ResNet's ${name} must be ${expected}, not ${value}.`);
}

/** Each slot has a module of its own: one in two places would be learned twice, under two names. */
function distinct<Args extends readonly number[]>(
  make: (...args: Args) => Layer,
): (...args: Args) => Layer {
  const made = new Set<Layer>();
  return (...args) => {
    const layer = make(...args);
    if (made.has(layer)) {
      throw new RequestError(
        'The attention function returned the same module for two blocks. Let it make a new one at every call.',
      );
    }
    made.add(layer);
    return layer;
  };
}

/** Height and width of a stage's maps: every stage but the first halves them, rounding up. */
function sizeInStage(
  [height, width]: readonly [number, number],
  stem: Stem,
  stage: number,
): [number, number] {
  const step = (stem === 'imagenet' ? 4 : 1) * 2 ** stage;
  return [Math.ceil(height / step), Math.ceil(width / step)];
}

function checkStages(stages: readonly number[], count: number): void {
  if (!Array.isArray(stages)) throw new RequestError('Stages are a list of numbers, as [2, 3].');
  const wrong = stages.filter((stage) => !Number.isInteger(stage) || stage < 1 || stage > count);
  if (stages.length > 0 && wrong.length === 0) return;
  const given = stages.length === 0 ? 'none' : wrong.join(' and ');
  throw new RequestError(
    `The attention's stages must be some of the network's 1 to ${count}, not ${given}.`,
  );
}

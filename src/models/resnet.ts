import { RequestError } from '../errors.js';
import { BatchNorm2d } from '../nn/layers/normalization.js';
import { Conv2d } from '../nn/layers/conv.js';
import { Linear } from '../nn/layers/linear.js';
import { Sequential } from '../nn/layers/container.js';
import { Module, type Layer } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  BasicBlock,
  Bottleneck,
  type BlockOptions,
  type Placement,
  type Shortcut,
} from './blocks.js';

export interface ResNetOptions {
  readonly block: 'basic' | 'bottleneck';
  /** Number of blocks in each stage. */
  readonly depths: readonly number[];
  /** Channels of the first stage; each further stage has twice as many. */
  readonly width: number;
  readonly classes: number;
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
 * Residual network for images of about 32x32. He, Zhang, Ren and Sun, CVPR 2016, arXiv 1512.03385.
 *
 *   stem     3x3 convolution, BatchNorm, ReLU     [B, 3, H, W] -> [B, width, H, W]
 *   layer i  depths[i] blocks, the first of which halves H and W (but for layer1) and doubles C
 *   head     mean over H, W, then linear          -> [B, classes]
 *
 * Layers are initialised as torch initialises them, which is what the seed trains with; He et al.
 * draw normal weights of deviation sqrt(2 / fan-out) instead.
 */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly linear: Linear;
  readonly #stages: readonly Sequential[];

  /** @throws RequestError if a size is not a positive integer, there is no such stage, or two slots get one module */
  constructor({
    block,
    depths,
    width,
    classes,
    shortcut,
    placement = 'before-addition',
    attention,
    stages = depths.map((_, stage) => stage + 1),
    imageSize = [32, 32],
  }: ResNetOptions) {
    super();
    const [height, imageWidth] = imageSize;
    const counts = { width, classes, 'image height': height, 'image width': imageWidth };
    for (const [name, value] of Object.entries(counts)) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RequestError(`A ResNet's ${name} must be a positive integer, not ${value}.`);
      }
    }
    checkStages(stages, depths.length);
    const Block = block === 'basic' ? BasicBlock : Bottleneck;
    this.conv1 = new Conv2d(3, width, 3, { padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(width);
    const attentionOf = attention && distinct(attention);
    let channels = width;
    this.#stages = depths.map((depth, stage) => {
      const options: BlockOptions = {
        shortcut,
        placement,
        attention:
          attentionOf && stages.includes(stage + 1)
            ? (count) => attentionOf(count, ...sizeInStage(imageSize, stage))
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
    this.linear = new Linear(channels, classes);
  }

  /** @param x images [B, 3, H, W] @returns logits [B, classes] */
  override forward(x: Tensor): Tensor {
    const stem = this.bn1.forward(this.conv1.forward(x)).relu();
    const features = this.#stages.reduce((map, stage) => stage.forward(map), stem);
    return this.linear.forward(features.mean([2, 3]));
  }
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
function sizeInStage(imageSize: readonly [number, number], stage: number): [number, number] {
  const [height, width] = imageSize.map((size) => Math.ceil(size / 2 ** stage));
  return [height ?? 1, width ?? 1];
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

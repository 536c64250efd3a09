/** Residual blocks with a slot for attention. He, Zhang, Ren and Sun, CVPR 2016, arXiv 1512.03385. */
import { ShapeError } from '../errors.js';
import { BatchNorm2d } from '../nn/layers/normalization.js';
import { Conv2d } from '../nn/layers/conv.js';
import { Identity, Sequential } from '../nn/layers/container.js';
import { Module, type Layer } from '../nn/module.js';
import { nameOf, singleOutput } from '../nn/outputs.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Where attention stands in a block: on the residual branch before the shortcut is added, as in the
 * attention papers, or between the addition and the last ReLU, where document 000 marks it.
 */
export type Placement = 'before-addition' | 'after-addition';

/**
 * How a shortcut changes size: by a strided 1x1 convolution with BatchNorm (the paper's option B),
 * or without parameters, by subsampling and channels of zeros (option A).
 */
export type Shortcut = 'projection' | 'padding';

/** What all blocks of a network have in common. */
export interface BlockOptions {
  readonly shortcut: Shortcut;
  readonly placement: Placement;
  /** Makes a block's attention for its number of output channels. */
  readonly attention: ((channels: number) => Layer) | undefined;
}

/** Option A: every `stride`-th row and column, and zero channels before and behind. */
export class PaddedShortcut extends Module {
  constructor(
    private readonly inChannels: number,
    private readonly outChannels: number,
    private readonly stride: number,
  ) {
    super();
  }

  /** [B, C, H, W] -> [B, C', ceil(H / stride), ceil(W / stride)] */
  override forward(x: Tensor): Tensor {
    const { inChannels, outChannels, stride } = this;
    const before = Math.floor((outChannels - inChannels) / 2);
    return x
      .slice(2, 0, x.dim(2), stride)
      .slice(3, 0, x.dim(3), stride)
      .pad(1, before, outChannels - inChannels - before);
  }
}

function makeShortcut(
  kind: Shortcut,
  inChannels: number,
  outChannels: number,
  stride: number,
): Layer {
  if (stride === 1 && inChannels === outChannels) return new Identity();
  if (kind === 'padding') return new PaddedShortcut(inChannels, outChannels, stride);
  return new Sequential(
    new Conv2d(inChannels, outChannels, 1, { stride, bias: false }),
    new BatchNorm2d(outChannels),
  );
}

/** The end that all blocks share: attention, shortcut addition and ReLU, in the order of `placement`. */
abstract class ResidualBlock extends Module {
  protected constructor(private readonly placement: Placement) {
    super();
  }

  protected join(branch: Tensor, shortcut: Tensor, attention: Layer | undefined): Tensor {
    if (attention === undefined) return branch.add(shortcut).relu();
    const attended = (map: Tensor) =>
      outputLike(attention, attention.forward(map), map, 'attention');
    return this.placement === 'before-addition'
      ? attended(branch).add(shortcut).relu()
      : attended(branch.add(shortcut)).relu();
  }
}

/**
 * What a module of a slot returned, if it has the shape of the map that it was given. Another one
 * would broadcast, and not be noticed.
 * @param role what the slot is for, as `attention`
 * @throws ShapeError for another shape; RequestError for anything but a Tensor
 */
export function outputLike(module: Module, returned: unknown, map: Tensor, role: string): Tensor {
  const result = singleOutput(module, returned);
  if (sameShape(result.shape, map.shape)) return result;
  throw new ShapeError(
    `The ${role} ${nameOf(module)} made ${formatShape(result.shape)} of ${formatShape(map.shape)}: it must give back a map of the same shape.`,
  );
}

/** Two 3x3 convolutions: [B, in, H, W] -> [B, channels, H / stride, W / stride]. */
export class BasicBlock extends ResidualBlock {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly attention: Layer | undefined;
  readonly shortcut: Layer;

  constructor(inChannels: number, channels: number, stride: number, options: BlockOptions) {
    super(options.placement);
    const same = { padding: 1, bias: false };
    this.conv1 = new Conv2d(inChannels, channels, 3, { ...same, stride });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, same);
    this.bn2 = new BatchNorm2d(channels);
    this.attention = options.attention?.(channels);
    this.shortcut = makeShortcut(options.shortcut, inChannels, channels, stride);
  }

  override forward(x: Tensor): Tensor {
    const inner = this.bn1.forward(this.conv1.forward(x)).relu();
    const branch = this.bn2.forward(this.conv2.forward(inner));
    return this.join(branch, this.shortcut.forward(x), this.attention);
  }
}

/** 1x1, 3x3 (strided) and 1x1 convolutions: [B, in, H, W] -> [B, 4 * channels, H / stride, W / stride]. */
export class Bottleneck extends ResidualBlock {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly attention: Layer | undefined;
  readonly shortcut: Layer;

  constructor(inChannels: number, channels: number, stride: number, options: BlockOptions) {
    super(options.placement);
    const outChannels = channels * Bottleneck.expansion;
    this.conv1 = new Conv2d(inChannels, channels, 1, { bias: false });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, { stride, padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(channels);
    this.conv3 = new Conv2d(channels, outChannels, 1, { bias: false });
    this.bn3 = new BatchNorm2d(outChannels);
    this.attention = options.attention?.(outChannels);
    this.shortcut = makeShortcut(options.shortcut, inChannels, outChannels, stride);
  }

  override forward(x: Tensor): Tensor {
    const narrow = this.bn1.forward(this.conv1.forward(x)).relu();
    const inner = this.bn2.forward(this.conv2.forward(narrow)).relu();
    const branch = this.bn3.forward(this.conv3.forward(inner));
    return this.join(branch, this.shortcut.forward(x), this.attention);
  }
}

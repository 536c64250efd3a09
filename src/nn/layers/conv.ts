/** Convolution layers, and their transposes. */
import { RequestError } from '../../errors.js';
import {
  perAxis,
  type ConvOptions,
  type ConvTransposeOptions,
  type PerAxis,
} from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { fanIn, uniformInit } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';

/** How a convolution layer slides, and whether it adds a bias (default true). */
export interface ConvLayerOptions extends ConvOptions {
  readonly bias?: boolean;
}

/** The options of a transposed convolution layer. */
export interface ConvTransposeLayerOptions extends ConvTransposeOptions {
  readonly bias?: boolean;
}

/** Both sides of every convolution: the weight and bias with PyTorch's initialisation. */
abstract class ConvLayer extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(weight: readonly number[], outputs: number, bias: boolean) {
    super();
    // torch: Kaiming uniform with a = sqrt 5, which is U(+-1/sqrt(fan in)) for weight and bias.
    const bound = 1 / Math.sqrt(fanIn(weight));
    this.weight = new Parameter(weight, uniformInit(bound));
    this.bias = bias ? new Parameter([outputs], uniformInit(bound)) : undefined;
  }
}

function requireGroups(layer: string, inChannels: number, outChannels: number, groups: number) {
  const counts = [inChannels, outChannels, groups];
  if (!counts.every((count) => Number.isInteger(count) && count > 0)) {
    throw new RequestError(
      `${layer}(${inChannels}, ${outChannels}) with groups ${groups}: channels and groups must be positive integers.`,
    );
  }
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new RequestError(
      `${layer}(${inChannels}, ${outChannels}): both numbers of channels must be divisible by groups, ${groups}.`,
    );
  }
}

abstract class ConvNd extends ConvLayer {
  private readonly options: ConvOptions;

  constructor(
    axes: number,
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    { bias = true, ...options }: ConvLayerOptions,
  ) {
    const groups = options.groups ?? 1;
    requireGroups(`Conv${axes}d`, inChannels, outChannels, groups);
    super([outChannels, inChannels / groups, ...perAxis(kernel, axes)], outChannels, bias);
    this.options = options;
  }

  override forward(x: Tensor): Tensor {
    return x.conv(this.weight.tensor, this.bias?.tensor, this.options);
  }
}

/** Convolution over one axis: [B, in, L] -> [B, out, L']. Names, defaults and initialisation of torch.nn.Conv1d. */
export class Conv1d extends ConvNd {
  /** @throws RequestError if a number of channels is not divisible by `groups` */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    options: ConvLayerOptions = {},
  ) {
    super(1, inChannels, outChannels, kernel, options);
  }
}

/** Convolution over an image: [B, in, H, W] -> [B, out, H', W']. Names, defaults and initialisation of torch.nn.Conv2d. */
export class Conv2d extends ConvNd {
  /** @throws RequestError if a number of channels is not divisible by `groups` */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    options: ConvLayerOptions = {},
  ) {
    super(2, inChannels, outChannels, kernel, options);
  }
}

/** Convolution over a volume: [B, in, D, H, W] -> [B, out, D', H', W']. Names, defaults and initialisation of torch.nn.Conv3d. */
export class Conv3d extends ConvNd {
  /** @throws RequestError if a number of channels is not divisible by `groups` */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    options: ConvLayerOptions = {},
  ) {
    super(3, inChannels, outChannels, kernel, options);
  }
}

abstract class ConvTransposeNd extends ConvLayer {
  private readonly options: ConvTransposeOptions;

  constructor(
    axes: number,
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    { bias = true, ...options }: ConvTransposeLayerOptions,
  ) {
    const groups = options.groups ?? 1;
    requireGroups(`ConvTranspose${axes}d`, inChannels, outChannels, groups);
    super([inChannels, outChannels / groups, ...perAxis(kernel, axes)], outChannels, bias);
    this.options = options;
  }

  override forward(x: Tensor): Tensor {
    return x.convTranspose(this.weight.tensor, this.bias?.tensor, this.options);
  }
}

/** Transposed convolution: [B, in, L] -> [B, out, L']. Names, defaults and initialisation of torch.nn.ConvTranspose1d. */
export class ConvTranspose1d extends ConvTransposeNd {
  /** @throws RequestError if a number of channels is not divisible by `groups` */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    options: ConvTransposeLayerOptions = {},
  ) {
    super(1, inChannels, outChannels, kernel, options);
  }
}

/** Transposed convolution: [B, in, H, W] -> [B, out, H', W']. Names, defaults and initialisation of torch.nn.ConvTranspose2d. */
export class ConvTranspose2d extends ConvTransposeNd {
  /** @throws RequestError if a number of channels is not divisible by `groups` */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    options: ConvTransposeLayerOptions = {},
  ) {
    super(2, inChannels, outChannels, kernel, options);
  }
}

/** Transposed convolution: [B, in, D, H, W] -> [B, out, D', H', W']. Names, defaults and initialisation of torch.nn.ConvTranspose3d. */
export class ConvTranspose3d extends ConvTransposeNd {
  /** @throws RequestError if a number of channels is not divisible by `groups` */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PerAxis,
    options: ConvTransposeLayerOptions = {},
  ) {
    super(3, inChannels, outChannels, kernel, options);
  }
}

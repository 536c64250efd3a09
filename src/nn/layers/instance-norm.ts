/** Instance normalisation: each channel of each image by its own mean and variance. */
import { groupNorm, normalizeBy, full, shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { elementCount } from '../../tensor/shape.js';
import { forwardRecord } from '../context.js';
import { constantInit } from '../init.js';
import { Module } from '../module.js';
import { Buffer, Parameter } from '../parameter.js';

export interface InstanceNormOptions {
  /** Added to the variance before the root. Default 1e-5. */
  readonly eps?: number;
  /** Share of the new batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
  /** Whether a learned weight and bias follow. Default false. */
  readonly affine?: boolean;
  /** Whether running statistics are kept, and used in eval. Default false: eval is as training. */
  readonly trackRunningStats?: boolean;
}

/**
 * Instance normalisation (Ulyanov et al. 2016, arXiv 1607.08022) with torch.nn.InstanceNorm's
 * meanings: the biased variance normalises, the unbiased one enters `running_var`.
 */
abstract class InstanceNormNd extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly running_mean: Buffer | undefined;
  readonly running_var: Buffer | undefined;
  /** Part of the state_dict; PyTorch does not count in it either. */
  readonly num_batches_tracked: Buffer | undefined;
  private readonly eps: number;
  private readonly momentum: number;

  constructor(
    private readonly axes: number,
    readonly channels: number,
    {
      eps = 1e-5,
      momentum = 0.1,
      affine = false,
      trackRunningStats = false,
    }: InstanceNormOptions = {},
  ) {
    super();
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? new Parameter([channels], constantInit(1)) : undefined;
    this.bias = affine ? new Parameter([channels], constantInit(0)) : undefined;
    this.running_mean = trackRunningStats ? new Buffer([channels]) : undefined;
    this.running_var = trackRunningStats ? new Buffer([channels], 'float32', 1) : undefined;
    this.num_batches_tracked = trackRunningStats ? new Buffer([], 'int32') : undefined;
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== this.axes + 2 || x.dim(1) !== this.channels) {
      const shape = ['B', this.channels, ...['D', 'H', 'W'].slice(-this.axes)].join(', ');
      throw shapeError(this.constructor.name, [x], `Expected [${shape}].`);
    }
    const [weight, bias] = [this.weight?.tensor, this.bias?.tensor];
    const { running_mean: mean, running_var: variance } = this;
    if (mean && variance && !this.training) {
      return normalizeBy(
        x,
        weight ?? full([this.channels], 1),
        bias ?? full([this.channels], 0),
        { mean: mean.tensor, variance: variance.tensor },
        this.eps,
      );
    }
    const count = elementCount(x.shape.slice(2));
    if (count < 2) {
      throw shapeError(this.constructor.name, [x], 'It needs more than one value per channel.');
    }
    if (mean && variance) this.track(x, mean, variance);
    return groupNorm(x, this.channels, weight, bias, this.eps);
  }

  private track(x: Tensor, mean: Buffer, variance: Buffer): void {
    const { updates } = forwardRecord();
    const rows = x.reshape([x.dim(0), this.channels, -1]);
    const centre = rows.mean(2, { keepDims: true });
    const count = rows.dim(2);
    const unbiased = rows
      .sub(centre)
      .square()
      .sum(2)
      .div(count - 1);
    const move = (buffer: Buffer, towards: Tensor) => {
      const old = updates.get(buffer) ?? buffer.tensor;
      const share = this.momentum;
      updates.set(buffer, old.mul(1 - share).add(towards.mean(0).mul(share)));
    };
    move(mean, centre.reshape([x.dim(0), this.channels]));
    move(variance, unbiased);
  }
}

/** Instance normalisation of [B, C, L]. Names, defaults and buffers of torch.nn.InstanceNorm1d. */
export class InstanceNorm1d extends InstanceNormNd {
  constructor(channels: number, options: InstanceNormOptions = {}) {
    super(1, channels, options);
  }
}

/** Instance normalisation of [B, C, H, W]. Names, defaults and buffers of torch.nn.InstanceNorm2d. */
export class InstanceNorm2d extends InstanceNormNd {
  constructor(channels: number, options: InstanceNormOptions = {}) {
    super(2, channels, options);
  }
}

/** Instance normalisation of [B, C, D, H, W]. Names, defaults and buffers of torch.nn.InstanceNorm3d. */
export class InstanceNorm3d extends InstanceNormNd {
  constructor(channels: number, options: InstanceNormOptions = {}) {
    super(3, channels, options);
  }
}

/**
 * Local response normalisation (Krizhevsky et al. 2012): x / (k + alpha * mean of x^2 over `size`
 * neighbouring channels)^beta, with zeros beyond the first and last channel. Defaults of
 * torch.nn.LocalResponseNorm.
 */
export class LocalResponseNorm extends Module {
  private readonly options: { readonly alpha: number; readonly beta: number; readonly k: number };

  constructor(
    private readonly size: number,
    options: { readonly alpha?: number; readonly beta?: number; readonly k?: number } = {},
  ) {
    super();
    this.options = { alpha: 1e-4, beta: 0.75, k: 1, ...options };
  }

  override forward(x: Tensor): Tensor {
    if (x.rank < 3) throw shapeError('LocalResponseNorm', [x], 'Expected [B, C, ..S].');
    const { alpha, beta, k } = this.options;
    const before = Math.floor(this.size / 2);
    // [B, C, ..S] -> [B, 1, C, S], so that channels are an axis to pool over.
    const squares = x.square().reshape([x.dim(0), 1, x.dim(1), -1]);
    const means = squares.avgPool([this.size, 1], {
      stride: 1,
      padding: [
        [before, this.size - 1 - before],
        [0, 0],
      ],
    });
    return x.div(means.mul(alpha).add(k).pow(beta).reshape(x.shape));
  }
}

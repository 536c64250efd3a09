/** Normalisation layers. */
import { RequestError } from '../../errors.js';
import { batchNorm, full, groupNorm, layerNorm, normalizeBy, shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { forwardRecord } from '../context.js';
import { constantInit } from '../init.js';
import { Module } from '../module.js';
import { Buffer, Parameter } from '../parameter.js';

export interface BatchNormOptions {
  /** Added to the variance before the root. Default 1e-5. */
  readonly eps?: number;
  /** Share of the new batch in the running statistics; null: the average over all batches. Default 0.1. */
  readonly momentum?: number | null;
  /** Whether a learned weight and bias follow. Default true. */
  readonly affine?: boolean;
}

/**
 * Batch normalisation, Ioffe and Szegedy 2015, arXiv 1502.03167, with torch.nn.BatchNorm's meanings:
 * in training by the batch's mean and biased variance, while the unbiased variance enters
 * `running_var`; in eval by the running statistics.
 */
abstract class BatchNormNd extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly running_mean: Buffer;
  readonly running_var: Buffer;
  readonly num_batches_tracked = new Buffer([], 'int32');
  private readonly eps: number;
  private readonly momentum: number | null;

  constructor(
    private readonly ranks: readonly number[],
    readonly channels: number,
    { eps = 1e-5, momentum = 0.1, affine = true }: BatchNormOptions,
  ) {
    super();
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? new Parameter([channels], constantInit(1)) : undefined;
    this.bias = affine ? new Parameter([channels], constantInit(0)) : undefined;
    this.running_mean = new Buffer([channels]);
    this.running_var = new Buffer([channels], 'float32', 1);
  }

  override forward(x: Tensor): Tensor {
    if (!this.ranks.includes(x.rank) || x.dim(1) !== this.channels) {
      throw shapeError(
        'batchNorm',
        [x],
        `Expected ${this.channels} channels on axis 1 and rank ${this.ranks.join(' or ')}.`,
      );
    }
    const weight = this.weight?.tensor ?? full([this.channels], 1);
    const bias = this.bias?.tensor ?? full([this.channels], 0);
    if (!this.training) {
      const statistics = { mean: this.running_mean.tensor, variance: this.running_var.tensor };
      return normalizeBy(x, weight, bias, statistics, this.eps);
    }
    const count = x.size / this.channels;
    if (count < 2) {
      throw shapeError('batchNorm', [x], 'Training needs more than one value per channel.');
    }
    const { output, mean, variance } = batchNorm(x, weight, bias, this.eps);
    this.track(mean, variance.mul(count / (count - 1)));
    return output;
  }

  private track(mean: Tensor, unbiasedVariance: Tensor): void {
    const { updates } = forwardRecord();
    // A module that is used twice in one pass moves its statistics twice.
    const current = (buffer: Buffer) => updates.get(buffer) ?? buffer.tensor;
    const tracked = current(this.num_batches_tracked).add(1);
    const share = this.momentum ?? tracked.cast('float32').reciprocal();
    const move = (buffer: Buffer, towards: Tensor) => {
      const old = current(buffer);
      // As torch: (1 - share) old + share new.
      const kept = typeof share === 'number' ? old.mul(1 - share) : old.mul(share.neg().add(1));
      updates.set(buffer, kept.add(towards.mul(share)));
    };
    updates.set(this.num_batches_tracked, tracked);
    move(this.running_mean, mean);
    move(this.running_var, unbiasedVariance);
  }
}

/** Batch normalisation of [B, C] or [B, C, L]. Names, defaults and buffers of torch.nn.BatchNorm1d. */
export class BatchNorm1d extends BatchNormNd {
  constructor(channels: number, options: BatchNormOptions = {}) {
    super([2, 3], channels, options);
  }
}

/** Batch normalisation of [B, C, H, W]. Names, defaults and buffers of torch.nn.BatchNorm2d. */
export class BatchNorm2d extends BatchNormNd {
  constructor(channels: number, options: BatchNormOptions = {}) {
    super([4], channels, options);
  }
}

/** Batch normalisation of [B, C, D, H, W]. Names, defaults and buffers of torch.nn.BatchNorm3d. */
export class BatchNorm3d extends BatchNormNd {
  constructor(channels: number, options: BatchNormOptions = {}) {
    super([5], channels, options);
  }
}

/** Options of LayerNorm and GroupNorm: `eps` 1e-5 and a learned weight and bias by default. */
export interface AffineNormOptions {
  readonly eps?: number;
  readonly affine?: boolean;
}

/**
 * Layer normalisation over the trailing axes of the given sizes (Ba, Kiros and Hinton 2016, arXiv
 * 1607.06450), with the biased variance. Names and defaults of torch.nn.LayerNorm.
 */
export class LayerNorm extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly normalizedShape: readonly number[];
  private readonly eps: number;

  constructor(
    normalizedShape: number | readonly number[],
    { eps = 1e-5, affine = true }: AffineNormOptions = {},
  ) {
    super();
    this.eps = eps;
    this.normalizedShape =
      typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
    this.weight = affine ? new Parameter(this.normalizedShape, constantInit(1)) : undefined;
    this.bias = affine ? new Parameter(this.normalizedShape, constantInit(0)) : undefined;
  }

  override forward(x: Tensor): Tensor {
    const trailing = x.shape.slice(-this.normalizedShape.length);
    if (trailing.join() !== this.normalizedShape.join()) {
      throw shapeError(
        'layerNorm',
        [x],
        `Expected the last sizes to be [${this.normalizedShape.join(', ')}].`,
      );
    }
    return layerNorm(x, this.normalizedShape, this.weight?.tensor, this.bias?.tensor, this.eps);
  }
}

/**
 * Normalisation of channels in equal groups (Wu and He 2018, arXiv 1803.08494): [B, C, ..S] -> same,
 * with the biased variance. Names and defaults of torch.nn.GroupNorm, whose argument order it keeps.
 */
export class GroupNorm extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  private readonly eps: number;

  /** @throws RequestError if the channels do not divide into the groups */
  constructor(
    readonly groups: number,
    readonly channels: number,
    { eps = 1e-5, affine = true }: AffineNormOptions = {},
  ) {
    super();
    if (channels % groups !== 0) {
      throw new RequestError(
        `GroupNorm(${groups}, ${channels}): the channels must be divisible by the groups.`,
      );
    }
    this.eps = eps;
    this.weight = affine ? new Parameter([channels], constantInit(1)) : undefined;
    this.bias = affine ? new Parameter([channels], constantInit(0)) : undefined;
  }

  override forward(x: Tensor): Tensor {
    if (x.rank < 2 || x.dim(1) !== this.channels) {
      throw shapeError('groupNorm', [x], `Expected [B, ${this.channels}, ..S].`);
    }
    return groupNorm(x, this.groups, this.weight?.tensor, this.bias?.tensor, this.eps);
  }
}

import { z } from 'zod';
import { ReLU } from '../../nn/layers/activation.js';
import { ModuleList, Sequential } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { concat, shapeError } from '../../ops/index.js';
import { sameShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';

/** Weighs maps against each other, channel by channel: the selection inside MSF and MFE. */
export class ScaleSelection extends Module {
  /** One 1x1 convolution without bias per map: [C, C, 1, 1]. */
  readonly describe: ModuleList<Conv2d>;

  constructor(
    readonly channels: number,
    readonly maps: number,
  ) {
    super();
    this.describe = new ModuleList(
      Array.from({ length: maps }, () => new Conv2d(channels, channels, 1, { bias: false })),
    );
  }

  /** @returns the weights [B, C, maps, 1], which sum to 1 over the maps */
  override forward(...maps: readonly Tensor[]): Tensor {
    const [first] = maps;
    const fits = first?.rank === 4 && maps.every(({ shape }) => sameShape(shape, first.shape));
    if (!fits || maps.length !== this.maps || first.dim(1) !== this.channels) {
      throw shapeError(
        'scaleSelection',
        maps,
        `Expected ${this.maps} maps of one shape [B, ${this.channels}, H, W].`,
      );
    }
    const described = [...this.describe].map((layer, i) =>
      layer.forward((maps[i] ?? first).globalAvgPool()),
    );
    return concat(described, 2).sigmoid().softmax(2);
  }
}

/** Sum of maps [B, C, H, W] by weights [B, C, maps, 1]. */
export function weightedSum(maps: readonly Tensor[], weights: Tensor): Tensor {
  return maps
    .map((map, i) => map.mul(weights.slice(2, i, i + 1)))
    .reduce((sum, weighted) => sum.add(weighted));
}

/** 1x1 convolution, BatchNorm and ReLU: what MSF and MFE end with. */
export function projection(channels: number): Sequential {
  return new Sequential(
    new Conv2d(channels, channels, 1, { bias: false }),
    new BatchNorm2d(channels),
    new ReLU(),
  );
}

/** How many maps the mechanism of the registry joins. */
const MAPS = 4;

const options = new OptionSet({
  maps: z.int().min(2).default(MAPS).describe('How many maps there are to choose from.'),
});

export type MultiScaleSelectiveFusionOptions = OptionsOf<typeof options.shape>;

/**
 * Multi-scale selective fusion (MSF). Xie, Li, Wang, Zhang, Chen, Shen and Wu (SHISRCNet), MICCAI
 * 2023, arXiv 2306.14119.
 *
 *   d_i = W_i (mean of x_i over H, W)               [B, C, 1, 1]    i = 1 .. 4
 *   w   = softmax over i of sigmoid(d_1 .. d_4)     [B, C, 4, 1]
 *   y   = relu(norm(W (sum of w_i * x_i)))          [B, C, H, W]
 *
 * Exposes `branchWeights`: w. Cost: 5 C^2 + 2 C parameters; 4 C^2 multiply-adds per image and C^2 per
 * place. All maps have one shape: resize them first.
 *
 * When not to use it: where one map is to be chosen. The softmax sees numbers between 0 and 1, so that with
 * four maps no weight leaves [0.109, 0.476]: it leans, it never chooses. That is the authors' design.
 *
 * Document 004 (`MSFblock`) is the same; a comment there promises a ReLU after W_i, which neither it nor
 * the authors have.
 */
export class MultiScaleSelectiveFusion extends Module {
  readonly selection: ScaleSelection;
  /** 1x1 convolution without bias, BatchNorm, ReLU. */
  readonly project: Sequential;

  /** @throws RequestError for fewer than two maps */
  constructor(
    readonly channels: number,
    given: MultiScaleSelectiveFusionOptions = {},
  ) {
    super();
    const { maps } = options.complete('MultiScaleSelectiveFusion', given);
    this.selection = new ScaleSelection(channels, maps);
    this.project = projection(channels);
  }

  override forward(...maps: readonly Tensor[]): Tensor {
    const weights = this.expose.branches(this.selection.forward(...maps));
    return this.project.forward(weightedSum(maps, weights));
  }
}

export const msf = defineMechanism({
  id: 'msf',
  title: 'Multi-scale selective fusion',
  domain: 'fusion',
  paper: 'Xie, Li, Wang, Zhang, Chen, Shen and Wu (SHISRCNet), MICCAI 2023',
  year: 2023,
  arxiv: '2306.14119',
  inputs: MAPS,
  create: (channels) => new MultiScaleSelectiveFusion(channels),
});

import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { ModuleList } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { concat, shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';

const options = new OptionSet({
  levels: z
    .int()
    .positive()
    .default(4)
    .describe('Into how many groups the channels are split; group i is seen at 1/2^i of the size.'),
});

export type SpatiallyAdaptiveModulationOptions = OptionsOf<typeof options.shape>;

/**
 * Spatially-adaptive feature modulation (SAFM). Sun, Dong, Tang and Pan, ICCV 2023, arXiv 2302.13800.
 *
 *   x_0 .. x_(L-1) = channels of x in L groups      [B, C/L, H, W] each
 *   s_0 = dw3x3(x_0)                                [B, C/L, H, W]      dw: depthwise, with bias
 *   s_i = enlarge(dw3x3(maxpool_i(x_i)))            [B, C/L, H, W]      maxpool_i: to floor(H/2^i) x floor(W/2^i)
 *   m   = gelu(W [s_0 .. s_(L-1)])                  [B, C, H, W]        enlarge: nearest neighbour
 *   y   = m * x                                     [B, C, H, W]
 *
 * Exposes `modulation`: m, which unlike a gate has no upper bound and may be slightly negative. Cost:
 * C^2 + 11 C parameters; C^2 multiply-adds per place and 9 C/L per place of every level's own size.
 *
 * When not to use it: on the last, tiny maps of a deep network. H and W must be at least 2^(L-1).
 *
 * As document 004 (`SAFM`), which names no paper, and whose debug print fails for fewer than 4 levels. The
 * paper pools with p/2^i outputs by adaptive max-pooling, as here: windows of sizes that do not divide overlap.
 */
export class SpatiallyAdaptiveModulation extends Module {
  /** One depthwise 3x3 convolution per level: [C/L, 1, 3, 3]. */
  readonly features: ModuleList<Conv2d>;
  /** [C, C, 1, 1] */
  readonly aggregate: Conv2d;

  /** @throws RequestError if the channels do not divide into the levels */
  constructor(
    readonly channels: number,
    given: SpatiallyAdaptiveModulationOptions = {},
  ) {
    super();
    const { levels } = options.complete('SpatiallyAdaptiveModulation', given);
    if (channels % levels !== 0) {
      throw new RequestError(
        `SpatiallyAdaptiveModulation(${channels}) cannot split its channels into ${levels} equal levels: choose a positive integer that divides ${channels}.`,
      );
    }
    const width = channels / levels;
    this.features = new ModuleList(
      Array.from({ length: levels }, () => {
        return new Conv2d(width, width, 3, { padding: 1, groups: width });
      }),
    );
    this.aggregate = new Conv2d(channels, channels, 1);
  }

  /** @throws ShapeError for a map too small for the last level */
  override forward(x: Tensor): Tensor {
    const least = 2 ** (this.features.length - 1);
    const [, channels, height = 0, width = 0] = x.shape;
    if (x.rank !== 4 || channels !== this.channels || Math.min(height, width) < least) {
      throw shapeError(
        'spatiallyAdaptiveModulation',
        [x],
        `Expected [B, ${this.channels}, H, W] with H and W of at least ${least} for ${this.features.length} levels.`,
      );
    }
    const groups = x.split(1, this.channels / this.features.length);
    const seen = [...this.features].map((layer, level) => {
      const group = groups[level] ?? x;
      if (level === 0) return layer.forward(group);
      const size = [Math.floor(height / 2 ** level), Math.floor(width / 2 ** level)];
      return layer.forward(group.adaptiveMaxPool(size)).interpolate({ size: [height, width] });
    });
    const modulation = this.aggregate.forward(concat(seen, 1)).gelu();
    return this.expose.spatial(modulation, 'modulation').mul(x);
  }
}

export const safm = defineMechanism({
  id: 'safm',
  title: 'Spatially-adaptive feature modulation',
  domain: 'fusion',
  paper: 'Sun, Dong, Tang and Pan, ICCV 2023',
  year: 2023,
  arxiv: '2302.13800',
  options: options.shape,
  // A level looks at half the map of the one before. Four do not fit into small maps, three do not
  // divide the usual numbers of channels.
  optionsFor: (height, width) => {
    const least = Math.min(height, width);
    return least >= 8 ? {} : { levels: least >= 2 ? 2 : 1 };
  },
  create: (channels, given) => new SpatiallyAdaptiveModulation(channels, given),
});

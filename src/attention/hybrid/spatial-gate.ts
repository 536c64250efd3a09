import { RequestError } from '../../errors.js';
import { concat } from '../../ops/index.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { requireChoice, requireCounts } from '../requirements.js';

/** Options of {@link SpatialGate}. */
export interface SpatialGateOptions {
  /** Size of the convolution, odd: 7 in the paper (default), 3 or 5 in seed 001, 1 in seed 003. */
  readonly kernel?: number;
  /** A bias in the convolution. Default false. */
  readonly bias?: boolean;
  /** What the convolution's two input channels are. Default 'avg+max'; 'max+avg' in seeds 001, 003 and 004. */
  readonly pools?: 'avg+max' | 'max+avg';
  /** 'map' (default): x weighted; 'gate': the gate [B, 1, H, W]; 'logits': what the sigmoid takes. */
  readonly output?: 'map' | 'gate' | 'logits';
}

/**
 * The spatial half of CBAM. Woo, Park, Lee and Kweon, ECCV 2018, arXiv 1807.06521.
 *
 *   a, m = mean and maximum of x over C     [B, 1, H, W] each
 *   g = sigmoid(K [a; m])                   [B, 1, H, W]    K: k x k convolution, 2 channels -> 1
 *   y = x g                                 [B, C, H, W]
 *
 * Exposes `spatial`: g. Cost: 2 k^2 weights and 2 k^2 H W multiply-adds per image, besides the C H W
 * of the product. It does not depend on the number of channels.
 *
 * Seeds: 000 with the mean first, as in the paper; 001, 003 and 004 with the maximum first (as the
 * paper's own code), which permutes the weights and nothing else. 000 returns the gate, 004 the
 * logits (`output`), for which an even kernel is allowed, although it makes them one row and one
 * column larger than x. The paper's own code has a BatchNorm behind K; neither paper nor seeds do.
 */
export class SpatialGate extends Module {
  /** K: [1, 2, k, k] */
  readonly conv: Conv2d;
  private readonly options: Required<Pick<SpatialGateOptions, 'pools' | 'output'>>;

  /** @throws RequestError for a kernel that is not a positive odd integer, or unknown pools */
  constructor({
    kernel = 7,
    bias = false,
    pools = 'avg+max',
    output = 'map',
  }: SpatialGateOptions = {}) {
    super();
    requireCounts('SpatialGate', { kernel });
    requireChoice('SpatialGate', 'pools', pools, ['avg+max', 'max+avg']);
    if (kernel % 2 === 0 && output !== 'logits') {
      throw new RequestError(
        `SpatialGate cannot have kernel ${kernel}: an even kernel makes a gate that is larger than the map. Choose ${kernel - 1} or ${kernel + 1}.`,
      );
    }
    this.options = { pools, output };
    this.conv = new Conv2d(2, 1, kernel, { padding: Math.floor(kernel / 2), bias });
  }

  override forward(x: Tensor): Tensor {
    const { pools, output } = this.options;
    const mean = x.mean(1, { keepDims: true });
    const maximum = x.maxFirst(1, { keepDims: true });
    const pooled = pools === 'avg+max' ? [mean, maximum] : [maximum, mean];
    const logits = this.conv.forward(concat(pooled, 1));
    if (output === 'logits') return logits;
    const gate = logits.sigmoid();
    return output === 'gate' ? gate : x.mul(this.expose('spatial', gate));
  }
}

const defaults: Required<Omit<SpatialGateOptions, 'output'>> = {
  kernel: 7,
  bias: false,
  pools: 'avg+max',
};

export const cbamSpatial = defineMechanism({
  id: 'cbam-spatial',
  title: 'Spatial gate of CBAM',
  domain: 'spatial',
  paper: 'Woo, Park, Lee and Kweon, ECCV 2018',
  year: 2018,
  arxiv: '1807.06521',
  options: defaults,
  create: (_channels, options) => new SpatialGate(options),
});

import { RequestError } from '../../errors.js';
import { concat, shapeError } from '../../ops/index.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { hiddenUnits, requireCounts } from '../requirements.js';
import { ChannelGate } from './channel-gate.js';
import { SpatialGate } from './spatial-gate.js';

/** Options of {@link JointCbam}. */
export interface JointCbamOptions {
  /** N = H W of the maps that it will see: the MLP has one input for each place. */
  readonly positions: number;
  /** How many times fewer hidden units than channels, in both MLPs. Default 16. */
  readonly ratio?: number;
  /** Size of the spatial convolution, odd. Default 7; the seed's is 49, which is the H W of its example. */
  readonly kernel?: number;
}

/**
 * CBAM with a joint representation of channels and places: seed 004, after Woo, Park, Lee and Kweon,
 * ECCV 2018, arXiv 1807.06521. Channel and spatial logits go through one MLP together, so that what
 * matters and where it matters are weighed against each other. The seed names no paper for it.
 *
 *   c = channel logits of x                 [B, C, 1, 1]      {@link ChannelGate}
 *   s = spatial logits of x                 [B, 1, H, W]      {@link SpatialGate}, with bias
 *   [c'; s'] = W2 relu(W1 [c; s])           [B, C+N, 1, 1]    C+N -> C/ratio -> C+N, without bias
 *   y = x sigmoid(c') sigmoid(s')           [B, C, H, W]
 *
 * Exposes `channel`: sigmoid(c') [B, C, 1, 1], and `spatial`: sigmoid(s') [B, 1, H, W]. Cost:
 * (2 C^2 + 2 C (C + N)) / ratio + 2 k^2 + 1 weights.
 *
 * The seed returns two maps, x sigmoid(c') and x sigmoid(s'), and says that their joint product may
 * be taken instead; here that is `forward`, and the two maps are {@link pair}. The MLP fixes H W:
 * for large maps, or for several sizes, take CBAM.
 */
export class JointCbam extends Module {
  readonly channelGate: ChannelGate;
  readonly spatialGate: SpatialGate;
  /** W1: [C/ratio, C+N, 1, 1] */
  readonly reduce: Conv2d;
  /** W2: [C+N, C/ratio, 1, 1] */
  readonly expand: Conv2d;
  readonly positions: number;

  /** @throws RequestError if the ratio leaves no hidden unit, for an even kernel, or without positions */
  constructor(
    readonly channels: number,
    { positions, ratio = 16, kernel = 7 }: JointCbamOptions,
  ) {
    super();
    requireCounts('JointCbam', { positions, kernel });
    if (kernel % 2 === 0) {
      throw new RequestError(
        `JointCbam cannot have kernel ${kernel}: an even kernel makes spatial logits of more places than the map has. Choose ${kernel - 1} or ${kernel + 1}.`,
      );
    }
    const hidden = hiddenUnits('JointCbam', channels, ratio);
    this.positions = positions;
    this.channelGate = new ChannelGate(channels, { ratio, output: 'logits' });
    this.spatialGate = new SpatialGate({ kernel, bias: true, pools: 'max+avg', output: 'logits' });
    this.reduce = new Conv2d(channels + positions, hidden, 1, { bias: false });
    this.expand = new Conv2d(hidden, channels + positions, 1, { bias: false });
  }

  override forward(x: Tensor): Tensor {
    const { channel, spatial } = this.gates(x);
    return x.mul(channel).mul(spatial);
  }

  /** The seed's two maps: x weighted by channel, and x weighted by place. */
  pair(x: Tensor): readonly [Tensor, Tensor] {
    const { channel, spatial } = this.gates(x);
    return [x.mul(channel), x.mul(spatial)];
  }

  private gates(x: Tensor): { channel: Tensor; spatial: Tensor } {
    const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
    const { positions } = this;
    if (x.rank !== 4 || channels !== this.channels || height * width !== positions) {
      throw shapeError(
        'JointCbam',
        [x],
        `Expected [B, ${this.channels}, H, W] with H W = ${positions}, its option 'positions'.`,
      );
    }
    const places = this.spatialGate.forward(x).reshape([batch, positions, 1, 1]);
    const joint = concat([this.channelGate.forward(x), places], 1);
    const weights = this.expand.forward(this.reduce.forward(joint).relu()).sigmoid();
    const [channel, spatial] = [weights.slice(1, 0, channels), weights.slice(1, channels)];
    return {
      channel: this.expose('channel', channel),
      spatial: this.expose('spatial', spatial.reshape([batch, 1, height, width])),
    };
  }
}

/** As of {@link JointCbam}, but for a command line: the positions have no default and must be given. */
interface JointCbamChoice {
  readonly positions: number | null;
  readonly ratio: number;
  readonly kernel: number;
}

export const cbamJoint = defineMechanism<JointCbamChoice>({
  id: 'cbam-joint',
  title: 'CBAM with a joint channel-spatial representation',
  domain: 'hybrid',
  paper: 'Seed 004, after CBAM (1807.06521)',
  year: 2025,
  arxiv: null,
  options: { positions: null, ratio: 16, kernel: 7 },
  optionsFor: (height, width) => ({ positions: height * width }),
  create: (channels, { positions, ...options }) => {
    if (positions === null) {
      throw new RequestError(
        "The attention 'cbam-joint' needs the option 'positions', the number of places H W of its maps: 1024 for 32x32.",
      );
    }
    return new JointCbam(channels, { ...options, positions });
  },
});

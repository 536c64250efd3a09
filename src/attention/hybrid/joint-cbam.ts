import { z } from 'zod';
import { concat, shapeError } from '../../ops/index.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { hiddenUnits, oddKernel, ratio } from '../requirements.js';
import { ChannelGate } from './channel-gate.js';
import { SpatialGate } from './spatial-gate.js';

const options = new OptionSet({
  positions: z
    .int()
    .positive()
    .describe(
      'N = H W of the maps that it will see, 1024 for 32x32: the MLP has an input for each place.',
    ),
  ratio: ratio
    .default(16)
    .describe('How many times fewer hidden units than channels, in both MLPs.'),
  kernel: oddKernel.default(7).describe('Size of the spatial convolution.'),
});

export type JointCbamOptions = OptionsOf<typeof options.shape>;

/**
 * CBAM with a joint representation of channels and places: document 004, after Woo, Park, Lee and Kweon,
 * ECCV 2018, arXiv 1807.06521. Channel and spatial logits go through one MLP together, so that what
 * matters and where it matters are weighed against each other. The document names no paper for it.
 *
 *   c = channel logits of x                 [B, C, 1, 1]      {@link ChannelGate}
 *   s = spatial logits of x                 [B, 1, H, W]      {@link SpatialGate}, with bias
 *   [c'; s'] = W2 relu(W1 [c; s])           [B, C+N, 1, 1]    C+N -> C/ratio -> C+N, without bias
 *   y = x sigmoid(c') sigmoid(s')           [B, C, H, W]
 *
 * Exposes `channel`: sigmoid(c') [B, C, 1, 1], and `spatial`: sigmoid(s') [B, 1, H, W]. Cost:
 * (2 C^2 + 2 C (C + N)) / ratio + 2 k^2 + 1 weights.
 *
 * When not to use it: on large maps, or on maps of several sizes, since the MLP fixes H W. Take CBAM.
 *
 * The document returns two maps, x sigmoid(c') and x sigmoid(s'), and says that their joint product may
 * be taken instead, as here; {@link gates} has both factors. Its kernel is 49, the H W of its example.
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
    given: JointCbamOptions,
  ) {
    super();
    const { positions, ratio, kernel } = options.complete('JointCbam', given);
    const hidden = hiddenUnits('JointCbam', channels, ratio);
    this.positions = positions;
    this.channelGate = new ChannelGate(channels, { ratio });
    this.spatialGate = new SpatialGate({ kernel, bias: true, pools: 'max+avg' });
    this.reduce = new Conv2d(channels + positions, hidden, 1, { bias: false });
    this.expand = new Conv2d(hidden, channels + positions, 1, { bias: false });
  }

  override forward(x: Tensor): Tensor {
    const { channel, spatial } = this.gates(x);
    return x.mul(channel).mul(spatial);
  }

  /**
   * sigmoid(c') [B, C, 1, 1] and sigmoid(s') [B, 1, H, W], which it exposes.
   * @throws ShapeError for maps of other channels, or of other than N places
   */
  gates(x: Tensor): { readonly channel: Tensor; readonly spatial: Tensor } {
    return this.inScope(() => this.jointly(x));
  }

  private jointly(x: Tensor): { readonly channel: Tensor; readonly spatial: Tensor } {
    const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
    const { positions } = this;
    if (x.rank !== 4 || channels !== this.channels || height * width !== positions) {
      throw shapeError(
        'JointCbam',
        [x],
        `Expected [B, ${this.channels}, H, W] with H W = ${positions}, its option 'positions'.`,
      );
    }
    const places = this.spatialGate.logits(x).reshape([batch, positions, 1, 1]);
    const joint = concat([this.channelGate.logits(x), places], 1);
    const weights = this.expand.forward(this.reduce.forward(joint).relu()).sigmoid();
    const [channel, spatial] = [weights.slice(1, 0, channels), weights.slice(1, channels)];
    return {
      channel: this.expose.channel(channel),
      spatial: this.expose.spatial(spatial.reshape([batch, 1, height, width])),
    };
  }
}

export const cbamJoint = defineMechanism({
  id: 'cbam-joint',
  title: 'CBAM with a joint channel-spatial representation',
  domain: 'hybrid',
  paper: 'Document 004, after CBAM (1807.06521)',
  year: 2025,
  options: options.shape,
  optionsFor: (height, width) => ({ positions: height * width }),
  create: (channels, given) => new JointCbam(channels, given),
});

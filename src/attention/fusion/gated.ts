import { z } from 'zod';
import { Conv2d } from '../../nn/layers/conv.js';
import { Linear } from '../../nn/layers/linear.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { shapeError } from '../../ops/index.js';
import { sameShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';

const options = new OptionSet({
  channelsLast: z
    .boolean()
    .default(false)
    .describe(
      'Whether the channels are the last axis, [.., C], of maps of any rank from 2, and not axis 1 of [B, C, H, W].',
    ),
});

export type GatedFusionOptions = OptionsOf<typeof options.shape>;

/**
 * Gated fusion: for every element, a learned share of one map and the rest of the other. Zheng,
 * Fan, Wang and Qi (GMAN), AAAI 2020, arXiv 1911.08415.
 *
 *   z = sigmoid(W1 a + W2 b)     [B, C, H, W]    W1, W2: C -> C at every place, with biases
 *   y = z * a + (1 - z) * b      [B, C, H, W]
 *
 * Exposes `gate`: z. Cost: 2 C^2 + 2 C parameters and 2 C^2 multiply-adds per place. Both maps must
 * have the same shape.
 *
 * When not to use it: where both maps are to count. y lies between them everywhere, so it can choose but
 * not add up.
 *
 * The paper has one bias; document 004 (`gatedFusion`) one per map, of which only the sum matters. It
 * names no paper; GMAN's is the formula that it has, there for a spatial and a temporal attention. The
 * document takes channels last, images as well as time series [B, N, T, C]: `channelsLast: true`.
 */
export class GatedFusion extends Module {
  /** W1: [C, C, 1, 1], with channels last [C, C]. */
  readonly first: Conv2d | Linear;
  /** W2: as W1. */
  readonly second: Conv2d | Linear;
  private readonly axis: number;

  constructor(
    readonly channels: number,
    given: GatedFusionOptions = {},
  ) {
    super();
    const { channelsLast } = options.complete('GatedFusion', given);
    const mix = () =>
      channelsLast ? new Linear(channels, channels) : new Conv2d(channels, channels, 1);
    this.axis = channelsLast ? -1 : 1;
    this.first = mix();
    this.second = mix();
  }

  /** @throws ShapeError unless both maps have the same shape and the right number of channels */
  override forward(a: Tensor, b: Tensor): Tensor {
    if (!sameShape(a.shape, b.shape) || a.rank < 2 || a.dim(this.axis) !== this.channels) {
      const where = this.axis === 1 ? 'on axis 1' : 'on the last axis';
      throw shapeError(
        'gatedFusion',
        [a, b],
        `Expected two maps of one shape with ${this.channels} channels ${where}.`,
      );
    }
    const gate = this.first.forward(a).add(this.second.forward(b)).sigmoid();
    // With channels last the axes are whatever the program made of them.
    if (this.axis === 1 && gate.rank === 4) this.expose.spatial(gate, 'gate');
    else this.expose.other(gate, 'gate');
    return gate.mul(a).add(gate.neg().add(1).mul(b));
  }
}

export const gatedFusion = defineMechanism({
  id: 'gated-fusion',
  title: 'Gated fusion',
  domain: 'fusion',
  paper: 'Zheng, Fan, Wang and Qi (GMAN), AAAI 2020',
  year: 2020,
  arxiv: '1911.08415',
  inputs: 2,
  options: options.shape,
  create: (channels, given) => new GatedFusion(channels, given),
});

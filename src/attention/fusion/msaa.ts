import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { concat, shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { ratio } from '../requirements.js';

const options = new OptionSet({
  out: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Channels of the result; null: as many as the first map has.'),
  factor: ratio
    .default(4)
    .describe('How many times fewer channels the inner maps have than the result.'),
  ratio: ratio
    .default(4)
    .describe('How many times fewer hidden units than inner channels the channel gate has.'),
});

export type MultiScaleAttentionAggregationOptions = OptionsOf<typeof options.shape>;

/**
 * Multi-scale attention aggregation (MSAA): three maps become one, gated by channel and by place. Liu,
 * Dan, Lu, Yu, Li and Li (CM-UNet), 2024, arXiv 2405.10530.
 *
 *   f = W_in [a, b, c]                                          [B, d, H, W]    d = out / factor
 *   g = sigmoid(MLP(mean of f) + MLP(maximum of f))             [B, d, 1, 1]    over H, W
 *   s = conv3x3(f) + conv5x5(f) + conv7x7(f)                    [B, d, H, W]
 *   p = sigmoid(conv7x7 [mean of s, maximum of s])              [B, 1, H, W]    over channels
 *   y = W_out (f * g + s * p)                                   [B, out, H, W]
 *
 * MLP: d -> d/ratio -> d by 1x1 convolutions without bias, ReLU between; the 7x7 of p has no bias either.
 *
 * Exposes `channel`: g, and `spatial`: p. Cost: 83 d^2 + 2 d^2 / ratio + (3 C + out + 4) d + out + 98
 * parameters for three maps of C channels; nearly all multiply-adds are the 83 d^2 per place. All maps
 * have one size: resize them first.
 *
 * When not to use it: on maps with few channels, which factor times ratio divides to nothing.
 *
 * Document 004 has the heading and a picture only.
 */
export class MultiScaleAttentionAggregation extends Module {
  /** W_in: [d, sum of the maps' channels, 1, 1]. */
  readonly reduce: Conv2d;
  /** [d/ratio, d, 1, 1] */
  readonly squeeze: Conv2d;
  /** [d, d/ratio, 1, 1] */
  readonly excite: Conv2d;
  readonly conv3: Conv2d;
  readonly conv5: Conv2d;
  readonly conv7: Conv2d;
  /** [1, 2, 7, 7] */
  readonly spatial: Conv2d;
  /** W_out: [out, d, 1, 1]. */
  readonly expand: Conv2d;
  /** Of each map. */
  readonly channels: readonly number[];

  /**
   * @param channels of each of the three maps; one number if they are equal
   * @throws RequestError if the factors leave no inner channel or no hidden unit
   */
  constructor(
    channels: number | readonly [number, number, number],
    given: MultiScaleAttentionAggregationOptions = {},
  ) {
    super();
    const asked = options.complete('MultiScaleAttentionAggregation', given);
    const { factor, ratio } = asked;
    this.channels = typeof channels === 'number' ? [channels, channels, channels] : channels;
    const [first = 1] = this.channels;
    const out = asked.out ?? first;
    const inner = Math.floor(out / factor);
    const hidden = Math.floor(inner / ratio);
    if (hidden < 1) {
      throw new RequestError(
        `MultiScaleAttentionAggregation with ${out} channels out, factor ${factor} and ratio ${ratio} has no hidden unit in its channel gate: choose factor times ratio from 1 to ${out}.`,
      );
    }
    const total = this.channels.reduce((sum, count) => sum + count, 0);
    const wide = (kernel: number) =>
      new Conv2d(inner, inner, kernel, { padding: (kernel - 1) / 2 });
    this.reduce = new Conv2d(total, inner, 1);
    this.squeeze = new Conv2d(inner, hidden, 1, { bias: false });
    this.excite = new Conv2d(hidden, inner, 1, { bias: false });
    this.conv3 = wide(3);
    this.conv5 = wide(5);
    this.conv7 = wide(7);
    this.spatial = new Conv2d(2, 1, 7, { padding: 3, bias: false });
    this.expand = new Conv2d(inner, out, 1);
  }

  /** @throws ShapeError unless the maps have one size and the right numbers of channels */
  override forward(a: Tensor, b: Tensor, c: Tensor): Tensor {
    const maps = [a, b, c];
    const fits = maps.every(({ shape }, i) => {
      const expected = [a.shape[0], this.channels[i], ...a.shape.slice(2)];
      return shape.length === 4 && shape.join() === expected.join();
    });
    if (!fits) {
      const counts = this.channels.join(', ');
      throw shapeError(
        'multiScaleAttentionAggregation',
        maps,
        `Expected three maps of one batch and size with ${counts} channels.`,
      );
    }
    const fused = this.reduce.forward(concat(maps, 1));
    const mlp = (pooled: Tensor) => this.excite.forward(this.squeeze.forward(pooled).relu());
    const channel = mlp(fused.globalAvgPool()).add(mlp(fused.globalMaxPool())).sigmoid();
    const scales = [this.conv3, this.conv5, this.conv7].map((layer) => layer.forward(fused));
    const summed = scales.reduce((sum, scale) => sum.add(scale));
    const overChannels = [
      summed.mean(1, { keepDims: true }),
      summed.maxFirst(1, { keepDims: true }),
    ];
    const spatial = this.spatial.forward(concat(overChannels, 1)).sigmoid();
    const gated = fused.mul(this.expose.channel(channel));
    return this.expand.forward(gated.add(summed.mul(this.expose.spatial(spatial))));
  }
}

export const msaa = defineMechanism({
  id: 'msaa',
  title: 'Multi-scale attention aggregation',
  domain: 'fusion',
  paper: 'Liu, Dan, Lu, Yu, Li and Li (CM-UNet), 2024',
  year: 2024,
  arxiv: '2405.10530',
  inputs: 3,
  options: options.shape,
  create: (channels, given) => new MultiScaleAttentionAggregation(channels, given),
});

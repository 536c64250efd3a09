/** From the maps of an encoder's stages to one map of the size of the shallowest. */
import { RequestError } from '../errors.js';
import { ReLU } from '../nn/layers/activation.js';
import { ModuleList, Sequential } from '../nn/layers/container.js';
import { Conv2d } from '../nn/layers/conv.js';
import { BatchNorm2d } from '../nn/layers/normalization.js';
import { Module } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';
import { outputLike } from './blocks.js';
import { createFusion, type FusionChoice, type MapsModule } from './fusion.js';

/** A network that gives maps of several scales, as a ResNet does. */
export interface FeatureEncoder extends Module {
  /** Channels of each map, from shallow to deep. */
  readonly featureChannels: readonly number[];
  /** Height and width of each map for the images that the network is made for. */
  readonly featureSizes: readonly (readonly [number, number])[];
  /** Images [B, C, H, W] -> maps [B, featureChannels[i], H_i, W_i], from shallow to deep. */
  features(x: Tensor): Tensor[];
}

/** Convolution that keeps the size, BatchNorm and ReLU. */
export function convNormRelu(from: number, to: number, kernel: 1 | 3): Sequential {
  const padding = (kernel - 1) / 2;
  return new Sequential(
    new Conv2d(from, to, kernel, { padding, bias: false }),
    new BatchNorm2d(to),
    new ReLU(),
  );
}

/** Bilinear, without aligned corners; a map of that size stays as it is. */
export function resizeTo(x: Tensor, [height = 1, width = 1]: readonly number[]): Tensor {
  return x.interpolate({ size: [height, width], mode: 'bilinear' });
}

/** One step from deep to shallow: the encoder's map and the decoder's become one. */
class Merge extends Module {
  readonly fusion: MapsModule;
  /** One for each further map. */
  readonly entrances: ModuleList<Sequential>;
  readonly smooth: Sequential;
  readonly #further: readonly number[];

  constructor(choice: FusionChoice, encoder: FeatureEncoder, stage: number, channels: number) {
    super();
    const others = furtherStages(encoder.featureChannels.length, stage);
    const size = encoder.featureSizes[stage] ?? [1, 1];
    const { module, inputs } = createFusion(choice, channels, size, 2 + others.length);
    this.fusion = module;
    this.#further = others.slice(0, inputs - 2);
    this.entrances = new ModuleList(
      this.#further.map((other) => convNormRelu(encoder.featureChannels[other] ?? 1, channels, 1)),
    );
    this.smooth = convNormRelu(channels, channels, 3);
  }

  /**
   * @param own the encoder's map, [B, channels, H, W]
   * @param deep the decoder's, of any size
   * @param features the encoder's maps as they came
   */
  override forward(own: Tensor, deep: Tensor, features: readonly Tensor[]): Tensor {
    const size = own.shape.slice(2);
    const maps = [own, resizeTo(deep, size)];
    for (const [i, entrance] of [...this.entrances].entries()) {
      const feature = features[this.#further[i] ?? 0] ?? own;
      maps.push(resizeTo(entrance.forward(feature), size));
    }
    const fused = outputLike(this.fusion, this.fusion.forward(...maps), own, 'fusion');
    return this.smooth.forward(fused);
  }
}

/**
 * Stages whose maps a merge at `stage` can have besides its own and the decoder's: near ones first,
 * of two equally near ones the shallower. The next deeper one is last: the decoder's map has just
 * come from there.
 */
function furtherStages(count: number, stage: number): number[] {
  const distance = (other: number) => (other === stage + 1 ? count : Math.abs(other - stage));
  return Array.from({ length: count }, (_, other) => other)
    .filter((other) => other !== stage)
    .sort((a, b) => distance(a) - distance(b) || a - b);
}

/**
 * Merges the maps of an encoder from deep to shallow. After feature pyramids (Lin, Dollár, Girshick,
 * He, Hariharan and Belongie, CVPR 2017, arXiv 1612.03144), with a choice where they add.
 *
 *   l_i = relu(norm(conv1x1(f_i)))                           [B, D, H_i, W_i]    every stage i
 *   d_n = l_n                                                                    the deepest
 *   d_i = relu(norm(conv3x3(fusion(l_i, d_(i+1), ..))))      [B, D, H_i, W_i]    d_(i+1) resized to H_i, W_i
 *
 * So every fusion sees maps of one shape. One that takes more than two gets further maps of the
 * encoder, each by a 1x1 convolution with norm and ReLU and resized, the nearest scales first. That is how
 * CM-UNet feeds its MSAA (a stage's map, and two of other scales, each reduced by 1x1 and resized
 * bilinearly), and gives MSF the four scales among which it selects.
 */
export class Decoder extends Module {
  readonly laterals: ModuleList<Sequential>;
  /** merges[i] is at stage i, counted from 0; the deepest stage has none. */
  readonly merges: ModuleList<Merge>;

  /** @throws RequestError for an encoder of one stage, and whatever {@link createFusion} refuses */
  constructor(
    encoder: FeatureEncoder,
    readonly channels: number,
    fusion: FusionChoice,
  ) {
    super();
    const stages = encoder.featureChannels.length;
    if (stages < 2) {
      throw new RequestError(
        `A decoder merges maps of two or more scales, but the encoder has ${stages}. Take one of more stages.`,
      );
    }
    this.laterals = new ModuleList(
      encoder.featureChannels.map((from) => convNormRelu(from, channels, 1)),
    );
    this.merges = new ModuleList(
      Array.from({ length: stages - 1 }, (_, i) => new Merge(fusion, encoder, i, channels)),
    );
    const modules = [...this.merges].map((merge) => merge.fusion);
    if (new Set(modules).size < modules.length) {
      throw new RequestError(
        'The fusion function returned the same module for two merges. Let it make a new one at every call.',
      );
    }
  }

  /** @param features maps from shallow to deep @returns [B, channels, H_0, W_0] */
  override forward(features: readonly Tensor[]): Tensor {
    const laterals = [...this.laterals];
    const maps = features.map((feature, i) => laterals[i]?.forward(feature) ?? feature);
    const deepest = maps.at(-1);
    if (deepest === undefined || maps.length !== laterals.length) {
      throw new RequestError(
        `The encoder gave ${maps.length} maps, but has the channels of ${laterals.length} in featureChannels.`,
      );
    }
    return [...this.merges].reduceRight(
      (deep, merge, i) => merge.forward(maps[i] ?? deep, deep, features),
      deepest,
    );
  }
}

import { RequestError } from '../errors.js';
import { ReLU } from '../nn/layers/activation.js';
import { Sequential } from '../nn/layers/container.js';
import { Linear } from '../nn/layers/linear.js';
import { Module, type Layer } from '../nn/module.js';
import { singleOutput } from '../nn/outputs.js';
import { shapeError } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** A network that gives a vector per image, as a ResNet or a SimpleViT with `classes: 0` does. */
export interface VectorEncoder extends Layer {
  /** Numbers per image that `forward` gives. */
  readonly outFeatures: number;
}

/** Options of {@link ProjectedEncoder}. */
export interface ProjectedEncoderOptions {
  /** Hidden units of the projection. Default: as many as the encoder has features. */
  readonly hidden?: number;
  /** D, the size of an embedding. Default 128. */
  readonly embedding?: number;
}

/** What a {@link ProjectedEncoder} gives: `exportOnnx` has one output of each. */
export interface Projection {
  /** [B, D]: what a contrastive loss compares. */
  readonly embeddings: Tensor;
  /** [B, F]: what is used afterwards, by a probe or another task. */
  readonly features: Tensor;
}

/**
 * An encoder with the projection head of SimCLR, for contrastive learning. Chen, Kornblith, Norouzi and
 * Hinton, ICML 2020, arXiv 2002.05709.
 *
 *   features    encoder(x)                   [B, F]
 *   embeddings  W2 relu(W1 features)         [B, D]    W1: F -> hidden, W2: hidden -> D, with biases
 *
 * The head serves the loss only; the features in front of it are the better representation (section
 * 4.2 there). Document 003 has no head: its network ends in one number per image, which is compared.
 */
export class ProjectedEncoder extends Module {
  /** Linear, ReLU, Linear. */
  readonly projection: Sequential;

  /** @throws RequestError for a size that is no positive integer */
  constructor(
    readonly encoder: VectorEncoder,
    { hidden = encoder.outFeatures, embedding = 128 }: ProjectedEncoderOptions = {},
  ) {
    super();
    const sizes = { 'outFeatures of the encoder': encoder.outFeatures, hidden, embedding };
    for (const [name, value] of Object.entries(sizes)) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RequestError(
          `A ProjectedEncoder's ${name} must be a positive integer, not ${value}.`,
        );
      }
    }
    this.projection = new Sequential(
      new Linear(encoder.outFeatures, hidden),
      new ReLU(),
      new Linear(hidden, embedding),
    );
  }

  /**
   * @param x images, as the encoder takes them
   * @throws ShapeError unless the encoder gives [B, outFeatures]
   */
  override forward(x: Tensor): Projection {
    const { encoder } = this;
    const features = singleOutput(encoder, encoder.forward(x));
    if (features.rank !== 2 || features.dim(1) !== encoder.outFeatures) {
      throw shapeError(
        'ProjectedEncoder',
        [features],
        `Expected features [B, ${encoder.outFeatures}] from the encoder.`,
      );
    }
    return { embeddings: this.projection.forward(features), features };
  }
}

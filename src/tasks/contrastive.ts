/** The task of telling two views of one image from those of other images, without labels. */
import { RequestError } from '../errors.js';
import { field } from '../data/fields.js';
import { describeValue } from '../describe-value.js';
import { ntXent } from '../losses/index.js';
import type { Module } from '../nn/module.js';
import { nameOf } from '../nn/outputs.js';
import { concat } from '../ops/index.js';
import { Tensor } from '../tensor/tensor.js';
import { hits } from './classification-metrics.js';
import { knnAccuracy, linearProbe } from './contrastive-metrics.js';
import { percentOf, task, type Features, type Task } from './task.js';

export interface ContrastiveOptions {
  /** By which similarities are divided. Default 0.5. */
  readonly temperature?: number;
  /** Size of an embedding, for a network that is made by name. Default 128. */
  readonly embedding?: number;
  /** Neighbours that vote in the k-nearest-neighbour accuracy. Default 20. */
  readonly k?: number;
}

/** What a network with a projection head makes of images. */
interface Embedded {
  /** [B, D] of each view. */
  readonly first: Tensor;
  readonly second: Tensor;
  /** [B, F] of the first. */
  readonly features: Tensor;
}

/** So many examples are enough to tell features apart, and little work. */
const PROBED = { train: 5000, val: 2000 } as const;

/**
 * Contrastive learning: each image is augmented twice, and the model, a ProjectedEncoder or any that returns
 * `embeddings` [B, D] and `features` [B, F], is to find the other view of an image among all in the batch
 * (InfoNCE, both ways: NT-Xent). Figures, in percent: `match`, how often it does, and from the features alone,
 * with the labels of both splits, `knn`, the accuracy of the k nearest neighbours, and `linear`, that of
 * a linear classifier. Predictions: `features`.
 */
export function contrastive({
  temperature = 0.5,
  embedding = 128,
  k = 20,
}: ContrastiveOptions = {}): Task {
  return task({
    id: 'contrastive',
    network: 'embedding',
    inputs: { first: field.image(0), second: field.image(1) },
    outputs: embedding,
    classes: () => [],
    forward: (model, { first, second }): Embedded => {
      // Together, so that normalisation over the batch sees both views.
      const { embeddings, features } = embed(model, concat([first, second], 0));
      const batch = first.dim(0);
      const half = (x: Tensor, at: 0 | 1) => x.slice(0, at * batch, (at + 1) * batch);
      return {
        first: half(embeddings, 0),
        second: half(embeddings, 1),
        features: half(features, 0),
      };
    },
    infer: (model, { first }): Embedded => {
      const { embeddings, features } = embed(model, first);
      return { first: embeddings, second: embeddings, features };
    },
    loss: ({ first, second }: Embedded) => ntXent(first, second, { temperature }).loss,
    metrics: {
      match: percentOf('match', ({ first, second }: Embedded) => {
        const { logits, labels } = ntXent(first, second, { temperature });
        return hits(logits, labels, 1)
          .reshape([2, first.dim(0)])
          .mean(0);
      }),
    },
    primary: { name: 'knn', title: 'k-NN accuracy', unit: '%', better: 'higher' },
    predict: ({ features }: Embedded) => ({ features }),
    probe: {
      most: PROBED,
      features: ({ features }: Embedded) => features,
      measure: ({ train, val }) => {
        const splits = { train: matrix(train), val: matrix(val) };
        return { knn: knnAccuracy({ ...splits, k }), linear: linearProbe(splits) };
      },
    },
  });
}

function matrix({ rows, labels }: Features): { features: Float32Array; labels: Int32Array } {
  const width = rows[0]?.length ?? 0;
  const features = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) features.set(row, i * width);
  return { features, labels };
}

function embed(
  model: Module,
  images: Tensor,
): { readonly embeddings: Tensor; readonly features: Tensor } {
  const { forward } = model as unknown as { readonly forward: (x: Tensor) => unknown };
  const returned = forward.call(model, images);
  if (typeof returned === 'object' && returned !== null) {
    const { embeddings, features } = returned as { embeddings?: unknown; features?: unknown };
    if (embeddings instanceof Tensor && features instanceof Tensor) return { embeddings, features };
  }
  throw new RequestError(
    `${nameOf(model)}.forward returned ${describeValue(returned)}. Contrastive learning needs { embeddings, features }, as a ProjectedEncoder of the network gives them.`,
  );
}

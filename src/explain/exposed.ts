/** What a model shows of itself while it looks at images, sorted by what can be drawn of it. */
import { record } from '../nn/context.js';
import type { MapSize, Meaning } from '../nn/expose.js';
import type { Module } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';

interface Named {
  /** Path of the module that shows it: `layer3.0.attention`. */
  readonly module: string;
  /** What the module calls it: `spatial`. */
  readonly name: string;
}

/** One value for every place; of several channels the mean. */
export interface SpatialMap extends Named {
  readonly kind: 'spatial';
  readonly size: MapSize;
  /** [B, H, W] */
  readonly tensor: Tensor;
}

/** How much every place takes from every place; of several heads the mean. */
export interface PlaceAttention extends Named {
  readonly kind: 'attention';
  /** The N places that look. */
  readonly queries: MapSize;
  /** The M places that are looked at: the same, or fewer where the mechanism sub-samples. */
  readonly keys: MapSize;
  /** [B, N, M] */
  readonly tensor: Tensor;
}

/** One value for every channel. */
export interface ExposedGate extends Named {
  readonly kind: 'gate';
  /** [B, C] */
  readonly tensor: Tensor;
}

/** Something exposed that can be drawn. */
export type Exposed = SpatialMap | PlaceAttention | ExposedGate;

/** A model's forward pass, seen from inside. */
export interface Inside<Output> {
  /** What the forward pass returned. */
  readonly output: Output;
  /** In the order of the forward pass. */
  readonly exposed: readonly Exposed[];
}

/**
 * Runs a forward pass of a model in eval mode on symbolic images and sorts what it exposes by the meaning that
 * its modules give it: a gate over channels as it is, the weights of M branches as M gates, a map of places
 * with its channels averaged, attention of places with its heads averaged. What has no meaning that can be
 * drawn is left out: how channels look at channels, or tokens that are no patches of an image.
 *
 * @param forward asks the model: `() => model.forward(images)`, or what a task does with it
 */
export function lookInside<Output>(model: Module, forward: () => Output): Inside<Output> {
  model.assignPaths();
  const { output, record: left } = record(false, forward);
  const exposed = [...left.exposed].flatMap(([path, tensor]) => {
    const end = path.lastIndexOf('.');
    const named = { module: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
    const meaning = left.meanings.get(path);
    return meaning === undefined ? [] : drawable(named, tensor, meaning);
  });
  return { output, exposed };
}

function drawable(named: Named, tensor: Tensor, meaning: Meaning): Exposed[] {
  const [batch = 1, channels = 1] = tensor.shape;
  switch (meaning.kind) {
    case 'channel':
      return [{ ...named, kind: 'gate', tensor: tensor.reshape([batch, channels]) }];
    case 'branches': {
      const { axis } = meaning;
      return Array.from({ length: tensor.dim(axis) }, (_, branch) => ({
        ...named,
        name: `${named.name}.${branch}`,
        kind: 'gate',
        tensor: tensor.select(axis, branch).flatten(1),
      }));
    }
    case 'spatial': {
      const size = { height: tensor.dim(2), width: tensor.dim(3) };
      return [{ ...named, kind: 'spatial', size, tensor: tensor.mean(1) }];
    }
    case 'attention': {
      const { queries, keys } = meaning;
      const weights = tensor.rank === 4 ? tensor.mean(1) : tensor;
      return [{ ...named, kind: 'attention', queries, keys, tensor: weights }];
    }
    case 'other':
      return [];
  }
}

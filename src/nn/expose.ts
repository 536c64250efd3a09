/** Making inner maps visible, with what they mean. */
import { shapeError } from '../ops/index.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { forwardRecord } from './context.js';

/** Rows and columns of a map's places, which are counted row by row. */
export interface MapSize {
  readonly height: number;
  readonly width: number;
}

/** What an exposed tensor means. */
export type Meaning =
  /** One value for every channel: [B, C] or [B, C, 1, 1]. */
  | { readonly kind: 'channel' }
  /** One value for every place, or for every place of every channel: [B, 1 or C, H, W]. */
  | { readonly kind: 'spatial' }
  /** How much every place takes from every place: [B, N, M] or [B, heads, N, M]. */
  | { readonly kind: 'attention'; readonly queries: MapSize; readonly keys: MapSize }
  /** One value for every channel of every branch, whose axis is 1 in [B, M, C] and 2 in [B, C, M, 1]. */
  | { readonly kind: 'branches'; readonly axis: 1 | 2 }
  /** Something else, of which nothing is known. */
  | { readonly kind: 'other' };

/**
 * Makes inner tensors of a module visible under `path.name`: to `runOnce`, to an export, to an
 * explanation. Every method returns its tensor unchanged, and costs nothing when nobody asks for it.
 * Each says what the tensor means, and throws a ShapeError for one that cannot mean it.
 */
export class Expose {
  /** @param path of the module */
  constructor(private readonly path: string) {}

  /** A gate over channels, [B, C] or [B, C, 1, 1]. */
  channel(gate: Tensor, name = 'channel'): Tensor {
    const [batch = 1, channels = 1] = gate.shape;
    const fits = gate.rank === 2 || sameShape(gate.shape, [batch, channels, 1, 1]);
    if (!fits) throw this.error(name, gate, 'a gate over channels is [B, C] or [B, C, 1, 1]');
    return this.put(name, gate, { kind: 'channel' });
  }

  /** A map of places, [B, 1, H, W], or of places and channels, [B, C, H, W]. */
  spatial(map: Tensor, name = 'spatial'): Tensor {
    if (map.rank !== 4) throw this.error(name, map, 'a map of places is [B, 1 or C, H, W]');
    return this.put(name, map, { kind: 'spatial' });
  }

  /**
   * How much each of N places (queries) takes from each of M places (keys): [B, N, M], or
   * [B, heads, N, M].
   * @param places how the queries and the keys lie in rows and columns: N and M of them
   */
  attention(
    weights: Tensor,
    { queries, keys }: { readonly queries: MapSize; readonly keys: MapSize },
    name = 'attention',
  ): Tensor {
    const [n, m] = [queries, keys].map(({ height, width }) => height * width);
    const fits = (weights.rank === 3 || weights.rank === 4) && weights.dim(-2) === n;
    if (!fits || weights.dim(-1) !== m) {
      const size = `${queries.height} x ${queries.width} places to ${keys.height} x ${keys.width}`;
      throw this.error(
        name,
        weights,
        `attention from ${size} is [B, ${n}, ${m}] or [B, heads, ${n}, ${m}]`,
      );
    }
    return this.put(name, weights, { kind: 'attention', queries, keys });
  }

  /** The weight of each of M branches in each channel: [B, M, C], or [B, C, M, 1]. */
  branches(weights: Tensor, name = 'branchWeights'): Tensor {
    const axis = weights.rank === 3 ? 1 : 2;
    if (axis === 2 && (weights.rank !== 4 || weights.dim(3) !== 1)) {
      throw this.error(name, weights, 'weights of branches are [B, M, C] or [B, C, M, 1]');
    }
    return this.put(name, weights, { kind: 'branches', axis });
  }

  /** Anything else, such as how channels look at channels, [B, C, C]: to be read, not to be drawn. */
  other(tensor: Tensor, name: string): Tensor {
    return this.put(name, tensor, { kind: 'other' });
  }

  private put(name: string, tensor: Tensor, meaning: Meaning): Tensor {
    const path = this.path ? `${this.path}.${name}` : name;
    const { exposed, meanings } = forwardRecord();
    exposed.set(path, tensor);
    meanings.set(path, meaning);
    return tensor;
  }

  private error(name: string, tensor: Tensor, expectation: string): Error {
    return shapeError(
      `exposing '${name}'`,
      [tensor],
      `Expected another shape: ${expectation}. What is none of these is exposed with expose.other.`,
    );
  }
}

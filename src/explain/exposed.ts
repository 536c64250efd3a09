/** What a model shows of itself while it looks at images, sorted by what can be drawn of it. */
import { RequestError } from '../errors.js';
import { record } from '../nn/context.js';
import type { Layer } from '../nn/module.js';
import { singleOutput } from '../nn/outputs.js';
import { input } from '../ops/index.js';
import { sameShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/** Rows and columns of a map. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

interface Named {
  /** Path of the module that shows it: `layer3.0.attention`. */
  readonly module: string;
  /** What the module calls it: `spatial`. */
  readonly name: string;
}

/** One value for every place; of several channels the mean. */
export interface SpatialMap extends Named {
  readonly kind: 'spatial';
  readonly size: Size;
  /** [B, H, W] */
  readonly tensor: Tensor;
}

/** How much every place takes from every place; of several heads the mean. */
export interface PlaceAttention extends Named {
  readonly kind: 'attention';
  /** The N places that look. */
  readonly queries: Size;
  /** The M places that are looked at: the same, or fewer where the mechanism sub-samples. */
  readonly keys: Size;
  /** [B, N, M] */
  readonly tensor: Tensor;
}

/** One value for every channel. */
export interface ChannelGate extends Named {
  readonly kind: 'gate';
  /** [B, C] */
  readonly tensor: Tensor;
}

/** Something exposed that can be drawn. */
export type Exposed = SpatialMap | PlaceAttention | ChannelGate;

/** A model's forward pass, seen from inside. */
export interface Inside {
  /** [B, K] */
  readonly logits: Tensor;
  /** In the order of the forward pass. */
  readonly exposed: readonly Exposed[];
}

/**
 * Runs a model's forward pass in eval mode on symbolic images and sorts what it exposes. The axes that
 * change when the image is twice as high run over places; they tell
 *
 *   none of [B, C, 1, 1]                          a gate over channels; `branchWeights` [B, M, C] are M of them
 *   H of [B, C, H, W]                             a map of places; channels are averaged
 *   N and M of [B, N, M] or [B, heads, N, M]      attention of places; heads are averaged, and the places are
 *                                                 folded into rows by a map of so many places in the module
 *
 * Anything else is left out, as [B, C, C], which says how channels look at channels: by its shape alone it
 * could be taken for attention of places where there happen to be C of them.
 *
 * @param images [B, C, H, W], an input
 */
export function lookInside(model: Layer, images: Tensor): Inside {
  model.assignPaths();
  const { output: logits, record: left } = record(false, () =>
    singleOutput(model, model.forward(images)),
  );
  const nodes = topologicalOrder([logits, ...left.exposed.values()]);
  const taller = shapesOfTaller(model, images.shape);
  const exposed = [...left.exposed].flatMap(([path, tensor]) => {
    const end = path.lastIndexOf('.');
    const module = path.slice(0, Math.max(0, end));
    const inModule = nodes.filter(
      ({ scope }) => scope === module || scope.startsWith(`${module}.`),
    );
    const names = { module, name: path.slice(end + 1) };
    return sorted(names, tensor, mapSizes(inModule), taller.get(path));
  });
  return { logits, exposed };
}

/** Shapes of what is exposed when the images are twice as high; none if the model takes one size only. */
function shapesOfTaller(
  model: Layer,
  [, channels = 1, height = 1, width = 1]: Shape,
): ReadonlyMap<string, Shape> {
  try {
    const images = input('taller', [1, channels, 2 * height, width]);
    const { record: left } = record(false, () => model.forward(images));
    return new Map([...left.exposed].map(([path, { shape }]) => [path, shape]));
  } catch (error) {
    if (error instanceof RequestError) return new Map();
    throw error;
  }
}

/** The sizes of the feature maps among tensors, each once. */
function mapSizes(nodes: readonly Tensor[]): Size[] {
  const sizes = nodes.flatMap(({ op, shape }) => {
    const [, , height, width] = shape;
    const isMap = shape.length === 4 && op.name !== 'input' && op.name !== 'constant';
    return isMap && height !== undefined && width !== undefined ? [{ height, width }] : [];
  });
  const unique = new Map(sizes.map((size) => [`${size.height}x${size.width}`, size]));
  return [...unique.values()];
}

function sorted(
  names: Named,
  tensor: Tensor,
  sizes: readonly Size[],
  taller: Shape | undefined,
): Exposed[] {
  const { shape, rank } = tensor;
  const [batch = 1, channels = 1] = shape;
  const [height = 1, width = 1] = shape.slice(-2);
  const overPlaces = taller
    ? shape.flatMap((size, axis) => (axis > 0 && taller[axis] !== size ? [axis - rank] : []))
    : likelyPlaces(names.name, shape);

  if (rank === 4 && sameShape(overPlaces, [-2])) {
    return [{ ...names, kind: 'spatial', size: { height, width }, tensor: tensor.mean(1) }];
  }
  if ((rank === 3 || rank === 4) && sameShape(overPlaces, [-2, -1])) {
    const queries = sizes.find((size) => size.height * size.width === height);
    const keys = sizes.find((size) => size.height * size.width === width);
    if (!queries || !keys) return [];
    return [
      { ...names, kind: 'attention', queries, keys, tensor: rank === 4 ? tensor.mean(1) : tensor },
    ];
  }
  if (overPlaces.length > 0) return [];
  if (names.name === 'branchWeights' && rank === 3) {
    return Array.from({ length: channels }, (_, branch) => ({
      ...names,
      name: `${names.name}.${branch}`,
      kind: 'gate',
      tensor: tensor.select(1, branch),
    }));
  }
  if (rank !== 2 && !sameShape(shape, [batch, channels, 1, 1])) return [];
  return [{ ...names, kind: 'gate', tensor: tensor.reshape([batch, channels]) }];
}

/** Which axes run over places, counted from the last, of a model that takes images of one size only. */
function likelyPlaces(name: string, shape: Shape): number[] {
  const [height = 1, width = 1] = shape.slice(-2);
  if (name === 'attention') return [-2, -1];
  return shape.length === 4 && height * width > 1 ? [-2] : [];
}

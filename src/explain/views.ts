/** One graph that answers what a classifier says of images and where it looks. */
import { RequestError } from '../errors.js';
import { selectNames } from '../globs.js';
import type { Layer } from '../nn/module.js';
import type { Graph } from '../onnx/lower.js';
import { input } from '../ops/index.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { lookInside, type Exposed, type PlaceAttention, type Size } from './exposed.js';
import { gradCam, lastFeatureMap } from './grad-cam.js';

/** A place of an image, as fractions of its height and width from the upper left corner. */
export type Place = readonly [row: number, column: number];

/** One map that the graph gives for every image. */
export interface View {
  /** Path of the module, or `grad-cam`. */
  readonly module: string;
  readonly name: string;
  /**
   * `spatial`: a gate over places. `attention-row`: how much one place, the query, takes from each place,
   * or all places on average. `grad-cam`: the yardstick.
   */
  readonly kind: 'spatial' | 'attention-row' | 'grad-cam';
  /** The place that looks, where there is one. */
  readonly query?: Place;
  /** Where the query lies among the places that the attention tells apart. */
  readonly queryCell?: Cell;
  readonly size: Size;
  /** The graph's output that holds it: [B, H W]. */
  readonly output: string;
}

/** One place of a map: its row and column, and the map's size. */
export interface Cell extends Size {
  readonly row: number;
  readonly column: number;
}

/** One gate over channels that the graph gives for every image. */
export interface GateView {
  readonly module: string;
  readonly name: string;
  /** The graph's output that holds it: [B, C]. */
  readonly output: string;
}

export interface ViewOptions {
  readonly batchSize: number;
  /** Of one image, [C, H, W]. */
  readonly imageShape: Shape;
  /**
   * Which maps and gates: patterns of their names, path and all, in which `*` stands for anything:
   * `layer3.*`, `*.spatial`. Default all. Grad-CAM is always there.
   */
  readonly layers?: readonly string[];
  /** The places whose attention is shown, or `mean`: of all places on average. */
  readonly queries: readonly Place[] | 'mean';
  /** The class that Grad-CAM asks about: the predicted one, or that of the input `labels`. */
  readonly about: 'prediction' | 'label';
}

/** A graph and what its outputs are. */
export interface Views {
  /** Inputs `images` [B, C, H, W] and, about labels, `labels` int32 [B]; output `logits` [B, K] and the maps. */
  readonly graph: Graph;
  readonly maps: readonly View[];
  readonly gates: readonly GateView[];
}

/**
 * Builds the graph. The model's parameters and buffers are inputs too, which are not listed: compile it
 * with them as its state.
 *
 * @throws RequestError for a pattern that matches nothing, naming what there is, and for a query
 *   outside of the image
 */
export function views(model: Layer, options: ViewOptions): Views {
  const { batchSize, imageShape, layers, queries, about } = options;
  if (queries !== 'mean') queries.forEach(requirePlace);
  const images = input('images', [batchSize, ...imageShape]);
  const labels = input('labels', [batchSize], 'int32');
  const { logits, exposed } = lookInside(model, images);
  const classes = about === 'label' ? labels : logits.argmax(1);
  const features = lastFeatureMap(logits);

  const outputs: Record<string, Tensor> = { logits };
  const maps: View[] = [];
  const gates: GateView[] = [];
  const fetch = (tensor: Tensor): string => {
    const output = `view${Object.keys(outputs).length}`;
    outputs[output] = tensor.flatten(1);
    return output;
  };
  maps.push({
    module: 'grad-cam',
    name: 'grad-cam',
    kind: 'grad-cam',
    size: { height: features.dim(2), width: features.dim(3) },
    output: fetch(gradCam(logits, features, classes)),
  });
  for (const one of layers ? matching(exposed, layers) : exposed) {
    const { module, name } = one;
    if (one.kind === 'gate') {
      gates.push({ module, name, output: fetch(one.tensor) });
    } else if (one.kind === 'spatial') {
      maps.push({ module, name, kind: 'spatial', size: one.size, output: fetch(one.tensor) });
    } else {
      for (const row of rowsOf(one, queries)) {
        const { tensor, ...view } = row;
        maps.push({ module, name, kind: 'attention-row', ...view, output: fetch(tensor) });
      }
    }
  }
  const inputs = about === 'label' ? { images, labels } : { images };
  return { graph: { inputs, outputs }, maps, gates };
}

/** The rows of an attention that are asked for, [B, M] each. */
function rowsOf(
  { tensor, queries: places, keys: size }: PlaceAttention,
  queries: readonly Place[] | 'mean',
): (Pick<View, 'query' | 'queryCell' | 'size'> & { readonly tensor: Tensor })[] {
  if (queries === 'mean') return [{ size, tensor: tensor.mean(1) }];
  return queries.map((query) => {
    const queryCell = cellOf(query, places);
    const index = queryCell.row * places.width + queryCell.column;
    return { query, queryCell, size, tensor: tensor.select(1, index) };
  });
}

function cellOf([row, column]: Place, { height, width }: Size): Cell {
  return {
    row: Math.min(height - 1, Math.floor(row * height)),
    column: Math.min(width - 1, Math.floor(column * width)),
    height,
    width,
  };
}

function requirePlace(place: Place): void {
  if (place.every((part) => part >= 0 && part <= 1)) return;
  throw new RequestError(
    `The query ${place.join(',')} is no place of an image: expected row and column as fractions from 0 to 1, as 0.5,0.5 for the middle.`,
  );
}

/** What any of the patterns names. */
function matching(exposed: readonly Exposed[], patterns: readonly string[]): readonly Exposed[] {
  if (exposed.length === 0) {
    throw new RequestError(
      `Nothing can be chosen by ${patterns.map((pattern) => `'${pattern}'`).join(', ')}: the network shows no maps or gates of its own, only Grad-CAM. Leave the layers out.`,
    );
  }
  const nameOf = ({ module, name }: Exposed): string => `${module}.${name}`;
  const chosen = new Set(selectNames(exposed.map(nameOf), patterns, 'map or gate'));
  return exposed.filter((one) => chosen.has(nameOf(one)));
}

/** One graph that answers what a model says of images and where it looks. */
import type { DataInfo } from '../data/dataset.js';
import { RequestError } from '../errors.js';
import { selectNames } from '../globs.js';
import type { MapSize } from '../nn/expose.js';
import type { Module } from '../nn/module.js';
import type { Graph } from '../onnx/lower.js';
import { fieldInputs, type FieldTensors, type Task } from '../tasks/task.js';
import { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';
import { PREDICTION } from '../training/step.js';
import { lookInside, type Exposed, type PlaceAttention } from './exposed.js';
import { findFeatureMap, gradCam } from './grad-cam.js';

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
  readonly size: MapSize;
  /** The graph's output that holds it: [B, H W]. */
  readonly output: string;
}

/** One place of a map: its row and column, and the map's size. */
export interface Cell extends MapSize {
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
  /** What the model does, and what images it does it with. */
  readonly task: Task;
  readonly data: DataInfo;
  readonly batchSize: number;
  /**
   * Which maps and gates: patterns of their names, path and all, in which `*` stands for anything:
   * `layer3.*`, `*.spatial`. Default all. Grad-CAM is there wherever it is defined.
   */
  readonly layers?: readonly string[];
  /** The places whose attention is shown, or `mean`: of all places on average. */
  readonly queries: readonly Place[] | 'mean';
  /** The class that Grad-CAM asks about: the predicted one, or that of the task's field of labels. */
  readonly about: 'prediction' | 'label';
}

/** A graph and what its outputs are. */
export interface Views {
  /** Inputs: those of the task's fields that are needed. Outputs: `prediction.NAME`, as the task predicts, and the maps. */
  readonly graph: Graph;
  /** What the model makes of a batch, for the task's checks. */
  readonly output: unknown;
  readonly maps: readonly View[];
  readonly gates: readonly GateView[];
}

/**
 * Builds the graph. The model's parameters and buffers are inputs too, which are not listed: compile it
 * with them as its state.
 *
 * Grad-CAM is among the maps where a task tells classes of images apart by logits [B, K] and the network has a
 * feature map. Elsewhere (the classes of pixels, features, a transformer) there are the model's own maps alone.
 *
 * @throws RequestError for a pattern that matches nothing, naming what there is, for a query
 *   outside of the image, and if there is nothing to see
 */
export function views(model: Module, options: ViewOptions): Views {
  const { task, data, batchSize, layers, queries } = options;
  if (queries !== 'mean') queries.forEach(requirePlace);
  const fields = fieldInputs(task, data, batchSize);
  const { output: made, exposed } = lookInside(model, () => {
    const output = task.infer(model, fields);
    return { output, predicted: task.predict(output) };
  });
  const { output, predicted } = made;
  const outputs: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(predicted)) outputs[PREDICTION + name] = tensor;
  const maps: View[] = [];
  const gates: GateView[] = [];
  const fetch = (tensor: Tensor): string => {
    const name = `view${maps.length + gates.length}`;
    outputs[name] = tensor.flatten(1);
    return name;
  };
  const cam = gradCamOf(output, options, fields);
  if (cam) maps.push({ ...cam.view, output: fetch(cam.tensor) });
  for (const one of layers ? matching(exposed, layers, cam !== undefined) : exposed) {
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
  if (Object.keys(outputs).length === 0) {
    throw new RequestError(
      `There is nothing to see: the model shows no maps or gates of its own, and the task '${task.id}' predicts nothing.`,
    );
  }
  const needed = new Set(topologicalOrder(Object.values(outputs)));
  const inputs = Object.fromEntries(Object.entries(fields).filter(([, one]) => needed.has(one)));
  return { graph: { inputs, outputs }, output, maps, gates };
}

/** Grad-CAM, where it is defined; see {@link views}. */
function gradCamOf(
  logits: unknown,
  { task, data, about }: ViewOptions,
  fields: FieldTensors,
): { readonly view: Omit<View, 'output'>; readonly tensor: Tensor } | undefined {
  if (!(logits instanceof Tensor) || logits.rank !== 2 || task.classes(data).length === 0) return;
  const features = findFeatureMap(logits);
  if (features === undefined) return;
  const classes = about === 'label' ? labelsOf(task, fields) : logits.argmax(1);
  const size = { height: features.dim(2), width: features.dim(3) };
  return {
    view: { module: 'grad-cam', name: 'grad-cam', kind: 'grad-cam', size },
    tensor: gradCam(logits, features, classes),
  };
}

/** @throws RequestError for a task without labels */
function labelsOf({ id, inputs }: Task, fields: FieldTensors): Tensor {
  const [name = ''] = Object.entries(inputs).find(([, { from }]) => from === 'label') ?? [];
  const labels = fields[name];
  if (labels) return labels;
  throw new RequestError(
    `The task '${id}' has no labels that Grad-CAM could ask about: ask about the prediction.`,
  );
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

function cellOf([row, column]: Place, { height, width }: MapSize): Cell {
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
function matching(
  exposed: readonly Exposed[],
  patterns: readonly string[],
  hasGradCam: boolean,
): readonly Exposed[] {
  if (exposed.length === 0) {
    throw new RequestError(
      `Nothing can be chosen by ${patterns.map((pattern) => `'${pattern}'`).join(', ')}: the network shows no maps or gates of its own${hasGradCam ? ', only Grad-CAM' : ''}. Leave the layers out.`,
    );
  }
  const nameOf = ({ module, name }: Exposed): string => `${module}.${name}`;
  const chosen = new Set(selectNames(exposed.map(nameOf), patterns, 'map or gate'));
  return exposed.filter((one) => chosen.has(nameOf(one)));
}

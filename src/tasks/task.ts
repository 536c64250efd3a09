/**
 * What a model is to learn, as a value: the fields of a batch, a loss built from them and from what the
 * model makes of them, and metrics. Training, evaluation, comparison and report take any task.
 */
import { RequestError } from '../errors.js';
import type { DataInfo, Dataset } from '../data/dataset.js';
import { fieldShape, fieldType, type Fields } from '../data/fields.js';
import type { Module } from '../nn/module.js';
import { singleOutput } from '../nn/outputs.js';
import { input } from '../ops/index.js';
import { Tensor } from '../tensor/tensor.js';

/** The tensors of a task's fields, [B, ...] each. */
export type FieldTensors<F extends Fields = Fields> = { readonly [Name in keyof F]: Tensor };

/** A figure of an evaluation: sums over its examples, made in the graph, and what they come to. */
export interface Metric<Output = unknown, F extends Fields = Fields> {
  /** [B] or [B, n]: what each example adds to the sums. With `bins`: the places of the sums that it adds 1 to. */
  rows(output: Output, fields: FieldTensors<F>, data: DataInfo): Tensor;
  /** How many sums there are, for a metric that counts in bins. Default: its rows are added up. */
  bins?(output: Output, data: DataInfo): number;
  /** Whether it is asked for only in evaluations by themselves, not in those of a training. Default false. */
  readonly final?: boolean;
  /**
   * Figures by name, as they stand in metrics.jsonl behind `train_` and `val_`.
   * @param sums of the rows over all examples
   * @param count of the examples
   */
  figures(sums: readonly number[], count: number): Readonly<Record<string, number>>;
  /** Figures of each class by name, for the end of a run: `iou`, a number for each of the task's classes. */
  perClass?(sums: readonly number[], count: number): Readonly<Record<string, readonly number[]>>;
  /** How often each true class (a row) was taken for each class, for the end of a run. */
  confusion?(sums: readonly number[]): readonly (readonly number[])[];
}

/** The figure by which a task's models are judged. */
export interface Primary {
  /** One of the metrics' figures, or 'loss'. */
  readonly name: string;
  /** In words: 'top-1 accuracy'. */
  readonly title: string;
  /** '%', or '' for a bare number. */
  readonly unit: '%' | '';
  readonly better: 'higher' | 'lower';
}

/** What examples come to, seen from a trained model, to be measured against each other. */
export interface Features {
  /** A row for each example. */
  readonly rows: readonly Float32Array[];
  readonly labels: Int32Array;
}

/** A measurement that needs many examples at once, such as the accuracy of nearest neighbours. */
export interface Probe<Output = unknown> {
  /** How many examples of each split are looked at, evenly spread. Default: all. */
  readonly most?: { readonly train: number; readonly val: number };
  /** [B, D] */
  features(output: Output): Tensor;
  /** Figures by name, from what the model makes of both splits. */
  measure(features: {
    readonly train: Features;
    readonly val: Features;
  }): Readonly<Record<string, number>>;
}

/** Which kind of network a task needs, if it is made by name. */
export type NetworkKind = 'classifier' | 'segmentation' | 'embedding';

/** A task, whatever its fields and outputs. */
export interface Task {
  /** What tells a task from other values that a module may export. */
  readonly kind: 'task';
  readonly id: string;
  readonly inputs: Fields;
  readonly network: NetworkKind;
  /** How many values the model gives for an example, or for a pixel. */
  readonly outputs: (data: DataInfo) => number;
  /** Names of the classes that the model tells apart; none where it tells no classes. */
  readonly classes: (data: DataInfo) => readonly string[];
  readonly forward: (model: Module, fields: FieldTensors) => unknown;
  readonly infer: (model: Module, fields: FieldTensors) => unknown;
  readonly loss: (
    output: unknown,
    fields: FieldTensors,
    data: DataInfo,
  ) => Tensor | Readonly<Record<string, Tensor>>;
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly primary: Primary;
  readonly predict: (output: unknown) => Readonly<Record<string, Tensor>>;
  readonly probe: Probe | undefined;
  readonly check: (dataset: Dataset, outputs: unknown) => void;
}

/** What a person says of a task. */
export interface TaskDefinition<F extends Fields, Output> {
  /** As in config.json: 'classification'. */
  readonly id: string;
  /** The fields of a batch: `{ images: field.image(), labels: field.label() }`. */
  readonly inputs: F;
  /** What the model is asked. Default: its forward with the first field, which must return one Tensor. */
  forward?(model: Module, fields: FieldTensors<NoInfer<F>>): Output;
  /**
   * What the model is asked where there is no loss, for predictions and probes. Default: `forward`.
   */
  infer?(model: Module, fields: FieldTensors<NoInfer<F>>): Output;
  /** A scalar, or several by name that are added up; the mean over the batch. */
  loss(
    output: Output,
    fields: FieldTensors<NoInfer<F>>,
    data: DataInfo,
  ): Tensor | Readonly<Record<string, Tensor>>;
  /** By name; a function is the mean over the examples of what it gives for each, [B] or [B, 1]. */
  readonly metrics?: Readonly<
    Record<
      string,
      Metric<Output, NoInfer<F>> | ((output: Output, fields: FieldTensors<NoInfer<F>>) => Tensor)
    >
  >;
  /** Default: the loss, lower is better. */
  readonly primary?: Primary;
  /** What a trained model is to tell of an example, [B, ...] each. Default: nothing. */
  predict?(output: Output): Readonly<Record<string, Tensor>>;
  readonly probe?: Probe<Output>;
  /** Default 'classifier'. */
  readonly network?: NetworkKind;
  /** Default: one for each class of the data set. */
  readonly outputs?: number | ((data: DataInfo) => number);
  /** Names of what the model tells apart. Default: the classes of the data set, unless `outputs` is given. */
  classes?(data: DataInfo): readonly string[];
  /**
   * Refuses examples that the task cannot take, before the first step. Default: nothing is refused.
   * @param output what the model makes of a batch of them
   */
  check?(dataset: Dataset, output: Output): void;
}

/** The figure that every task has. */
const LOSS: Primary = { name: 'loss', title: 'loss', unit: '', better: 'lower' };

/**
 * Makes a task.
 * @throws RequestError if it has no fields, or a metric is called `loss`
 */
export function task<const F extends Fields, Output = Tensor>(
  definition: TaskDefinition<F, Output>,
): Task {
  const { id, inputs, outputs, metrics = {} } = definition;
  const [first] = Object.keys(inputs);
  if (first === undefined) {
    throw new RequestError(
      `The task '${id}' has no inputs. Say what a batch holds: { images: field.image() }.`,
    );
  }
  if (Object.hasOwn(metrics, 'loss')) {
    throw new RequestError(
      `A metric of the task '${id}' is called 'loss', which every task has already.`,
    );
  }
  const forward = (definition.forward?.bind(definition) ??
    ((model: Module, fields: FieldTensors) => oneTensor(model, fields[first]))) as Task['forward'];
  return {
    kind: 'task',
    id,
    inputs,
    network: definition.network ?? 'classifier',
    outputs: typeof outputs === 'function' ? outputs : (data) => outputs ?? data.classes.length,
    classes: (data) => definition.classes?.(data) ?? (outputs === undefined ? data.classes : []),
    primary: definition.primary ?? LOSS,
    // From here on nobody knows the types of a task's own output and fields but the task itself, and
    // it is handed only what came out of its own forward.
    forward,
    infer: (definition.infer?.bind(definition) as Task['infer'] | undefined) ?? forward,
    loss: definition.loss.bind(definition) as unknown as Task['loss'],
    metrics: Object.fromEntries(
      Object.entries(metrics).map(([name, metric]) => [
        name,
        (typeof metric === 'function' ? meanOf(name, metric) : metric) as unknown as Metric,
      ]),
    ),
    predict: (definition.predict?.bind(definition) ?? (() => ({}))) as Task['predict'],
    probe: definition.probe,
    check: (definition.check?.bind(definition) ?? (() => undefined)) as Task['check'],
  };
}

/** A metric that is the mean over the examples of what each comes to, [B] or [B, 1]. */
export function meanOf<Output, F extends Fields>(
  name: string,
  rows: Metric<Output, F>['rows'],
): Metric<Output, F> {
  return { rows, figures: ([sum = NaN], count) => ({ [name]: sum / count }) };
}

/** A metric that is the share, in percent, of the examples for which [B] or [B, 1] is 1 and not 0. */
export function percentOf<Output, F extends Fields>(
  name: string,
  rows: Metric<Output, F>['rows'],
): Metric<Output, F> {
  return { rows, figures: ([sum = NaN], count) => ({ [name]: (100 * sum) / count }) };
}

/** A task's fields as the inputs of a graph for batches of one size. */
export function fieldInputs(
  { inputs }: Task,
  data: DataInfo,
  batchSize: number,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, one]) => [
      name,
      input(name, [batchSize, ...fieldShape(one, data)], fieldType(one)),
    ]),
  );
}

/**
 * The loss of a task as one scalar, and its terms where it has several.
 * @throws RequestError for a loss that is no scalar
 */
export function lossOf(
  { id, loss }: Task,
  output: unknown,
  fields: FieldTensors,
  data: DataInfo,
): { readonly total: Tensor; readonly terms: Readonly<Record<string, Tensor>> } {
  const given = loss(output, fields, data);
  const terms = given instanceof Tensor ? {} : given;
  const [first, ...rest] = given instanceof Tensor ? [given] : Object.values(terms);
  if (first === undefined) throw new RequestError(`The loss of the task '${id}' has no terms.`);
  for (const term of [first, ...rest]) {
    if (term.size === 1) continue;
    throw new RequestError(
      `The loss of the task '${id}' is [${term.shape.join(', ')}], not one number. Take its mean.`,
    );
  }
  const scalars = [first, ...rest].map((term) => term.reshape([]));
  return { total: scalars.reduce((sum, term) => sum.add(term)), terms };
}

/**
 * What each example of a batch adds to each metric of a task, [B, n] by the metric's name.
 * @param final whether those are among them that are not asked for in a training
 * @throws RequestError for a metric that has not one row for every example
 */
export function metricRows(
  { id, metrics }: Task,
  output: unknown,
  fields: FieldTensors,
  data: DataInfo,
  batchSize: number,
  final: boolean,
): Record<string, Tensor> {
  const wanted = Object.entries(metrics).filter(([, metric]) => final || !metric.final);
  return Object.fromEntries(
    wanted.map(([name, metric]) => {
      const rows = metric.rows(output, fields, data);
      if (rows.shape[0] !== batchSize || rows.rank < 1) {
        throw new RequestError(
          `The metric '${name}' of the task '${id}' is [${rows.shape.join(', ')}] for ${batchSize} examples: expected a row for each.`,
        );
      }
      return [name, rows.reshape([batchSize, rows.size / batchSize]).cast('float32')];
    }),
  );
}

/** How many bins each metric of a task counts in that does so. */
export function metricBins(
  { metrics }: Task,
  output: unknown,
  data: DataInfo,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([name, metric]) =>
      metric.bins ? [[name, metric.bins(output, data)]] : [],
    ),
  );
}

function oneTensor(model: Module, images: Tensor | undefined): Tensor {
  const { forward } = model as unknown as { readonly forward: (x: Tensor | undefined) => unknown };
  return singleOutput(model, forward.call(model, images));
}

/** Counts of pairs of classes, [K * K], as a list for each true class. */
export function squareOf(counts: readonly number[]): number[][] {
  const classes = Math.round(Math.sqrt(counts.length));
  return Array.from({ length: classes }, (_, k) => counts.slice(k * classes, (k + 1) * classes));
}

/** What frozen features are worth: two classifiers that need no further training of the network. */
import { RequestError } from '../errors.js';
import { minimize } from './minimize.js';
import { addScaled, inner } from './vectors.js';

/** Features of images, and what the images show. */
export interface LabelledFeatures {
  /** [N, F], row-major. */
  readonly features: Float32Array;
  /** Class numbers, [N]. */
  readonly labels: Int32Array;
}

/** What both classifiers are fitted on and tried on. */
export interface FeatureSplits {
  readonly train: LabelledFeatures;
  readonly val: LabelledFeatures;
}

/** Options of {@link knnAccuracy}. */
export interface KnnOptions extends FeatureSplits {
  /** How many neighbours vote; all, if there are fewer. Default 20. */
  readonly k?: number;
  /** Default 0.07. */
  readonly temperature?: number;
}

/**
 * Accuracy of weighted k-nearest-neighbour classification, as in Wu, Xiong, Yu and Lin, CVPR 2018, arXiv
 * 1805.01978, and DINO (Caron et al. 2021, arXiv 2104.14294): each of the k training images of largest
 * cosine similarity s votes for its class with weight e^(s / temperature).
 *
 * Of equally near images the first counts as nearer; of classes with equal votes the lower one is predicted.
 *
 * @returns percent of the validation images whose class is predicted
 * @throws RequestError for sizes that do not fit each other, no images, or a k or temperature that is not above 0
 */
export function knnAccuracy({ train, val, k = 20, temperature = 0.07 }: KnnOptions): number {
  const width = requireSplits(train, val);
  if (!Number.isInteger(k) || k < 1 || !(temperature > 0)) {
    throw new RequestError(
      `Nearest neighbours need a positive integer k and a temperature above 0, not ${k} and ${temperature}.`,
    );
  }
  const references = unitRows(train.features, width);
  const queries = unitRows(val.features, width);
  const classes = classCount(train.labels);
  const count = train.labels.length;
  let right = 0;
  for (const [row, label] of val.labels.entries()) {
    const query = queries.subarray(row * width, (row + 1) * width);
    const similarities = new Float64Array(count);
    for (let i = 0; i < count; i++) similarities[i] = inner(query, references, i * width);
    const votes = new Float64Array(classes);
    for (const i of largest(similarities, k)) {
      const own = train.labels[i] ?? 0;
      votes[own] = (votes[own] ?? 0) + Math.exp((similarities[i] ?? NaN) / temperature);
    }
    if (firstLargest(votes) === label) right++;
  }
  return (100 * right) / val.labels.length;
}

/** Options of {@link linearProbe}. */
export interface LinearProbeOptions extends FeatureSplits {
  /** Strength of the L2 penalty, at least 0. Default 0.001. */
  readonly l2?: number;
}

/**
 * Accuracy of a linear classifier of frozen features: multinomial logistic regression. Every feature is
 * standardised by the training images' mean and deviation. What is minimised, by L-BFGS over all
 * training images from zeros, so that nothing is random, is
 *
 *   mean cross-entropy + l2 / 2 * sum of squared weights        the biases are free
 *
 * @returns percent of the validation images whose class is predicted
 * @throws RequestError for sizes that do not fit each other, no images, or a negative l2
 */
export function linearProbe({ train, val, l2 = 1e-3 }: LinearProbeOptions): number {
  const width = requireSplits(train, val);
  if (!(l2 >= 0 && l2 < Infinity)) {
    throw new RequestError(`The l2 of a linear probe is a number of at least 0, not ${l2}.`);
  }
  const { standardise, weights } = fitProbe(train, l2);
  const classes = classCount(train.labels);
  const inputs = standardise(val.features);
  let right = 0;
  for (const [row, label] of val.labels.entries()) {
    const logits = logitsOf(inputs.subarray(row * width, (row + 1) * width), weights, classes);
    if (firstLargest(logits) === label) right++;
  }
  return (100 * right) / val.labels.length;
}

/** The classifier of {@link linearProbe}. */
export interface FittedProbe {
  /** [K, F + 1]: the weights of each class, its bias behind them. */
  readonly weights: Float64Array;
  /** What was minimised, at its minimum. */
  readonly loss: number;
  /** Features [N, F] as the weights take them. */
  readonly standardise: (features: Float32Array) => Float64Array;
}

/** Fits the classifier of {@link linearProbe}. */
export function fitProbe({ features, labels }: LabelledFeatures, l2: number): FittedProbe {
  const width = features.length / labels.length;
  const classes = classCount(labels);
  const standardise = standardisation(features, width);
  const inputs = standardise(features);
  const objective = (weights: Float64Array, gradient: Float64Array): number => {
    gradient.fill(0);
    let loss = 0;
    for (const [row, label] of labels.entries()) {
      const x = inputs.subarray(row * width, (row + 1) * width);
      const logits = logitsOf(x, weights, classes);
      const peak = logits.reduce((a, b) => Math.max(a, b), -Infinity);
      const total = logits.reduce((sum, v) => sum + Math.exp(v - peak), 0);
      loss += (peak + Math.log(total) - (logits[label] ?? NaN)) / labels.length;
      for (const [k, logit] of logits.entries()) {
        const probability = Math.exp(logit - peak) / total;
        const slope = (probability - (k === label ? 1 : 0)) / labels.length;
        addScaled(gradient, slope, x, k * (width + 1));
        addScaled(gradient, slope, ONE, k * (width + 1) + width);
      }
    }
    for (let start = 0; start < weights.length; start += width + 1) {
      const ofClass = weights.subarray(start, start + width);
      loss += (l2 / 2) * inner(ofClass, ofClass);
      addScaled(gradient, l2, ofClass, start);
    }
    return loss;
  };
  const { point, value } = minimize(objective, new Float64Array(classes * (width + 1)));
  return { weights: point, loss: value, standardise };
}

/** What a bias is multiplied with. */
const ONE = Float64Array.of(1);

/** [K] for one image's features. */
function logitsOf(x: Float64Array, weights: Float64Array, classes: number): Float64Array {
  const step = x.length + 1;
  return Float64Array.from(
    { length: classes },
    (_, k) => inner(x, weights, k * step) + (weights[k * step + x.length] ?? NaN),
  );
}

/** Maps features to mean 0 and deviation 1 over the given ones; a feature that is always the same to 0. */
function standardisation(
  features: Float32Array,
  width: number,
): (features: Float32Array) => Float64Array {
  const rows = features.length / width;
  const rowOf = (row: number) =>
    Float64Array.from(features.subarray(row * width, (row + 1) * width));
  const mean = new Float64Array(width);
  for (let row = 0; row < rows; row++) addScaled(mean, 1 / rows, rowOf(row));
  const variance = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    const squares = rowOf(row).map((value, f) => (value - (mean[f] ?? NaN)) ** 2);
    addScaled(variance, 1 / rows, squares);
  }
  const scale = variance.map((v) => (v > 0 ? 1 / Math.sqrt(v) : 0));
  return (given) =>
    Float64Array.from(given, (v, i) => (v - (mean[i % width] ?? NaN)) * (scale[i % width] ?? NaN));
}

/** Rows of length 1; a row of zeros stays one. */
function unitRows(features: Float32Array, width: number): Float64Array {
  const unit = Float64Array.from(features);
  for (let start = 0; start < unit.length; start += width) {
    const row = unit.subarray(start, start + width);
    const length = Math.sqrt(inner(row, row));
    if (length > 0)
      unit.set(
        row.map((value) => value / length),
        start,
      );
  }
  return unit;
}

/** Positions of the k largest values, of equal ones the first. */
function largest(values: Float64Array, k: number): number[] {
  const best: number[] = [];
  const valueOf = (place: number) => values[best[place] ?? -1] ?? -Infinity;
  for (const [i, value] of values.entries()) {
    if (best.length === k && !(value > valueOf(k - 1))) continue;
    let at = best.length;
    while (at > 0 && value > valueOf(at - 1)) at--;
    best.splice(at, 0, i);
    if (best.length > k) best.pop();
  }
  return best;
}

function firstLargest(values: Float64Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? NaN) ? i : best), 0);
}

function classCount(labels: Int32Array): number {
  return 1 + labels.reduce((most, label) => Math.max(most, label), 0);
}

/** Checks sizes, and returns F. */
function requireSplits(train: LabelledFeatures, val: LabelledFeatures): number {
  const width = train.features.length / train.labels.length;
  const fits = Number.isInteger(width) && width > 0;
  if (!fits || val.labels.length === 0 || val.features.length !== width * val.labels.length) {
    throw new RequestError(
      `The features must be [N, F] with N labels, and F the same for both sets: ${train.features.length} numbers for ${train.labels.length} labels and ${val.features.length} for ${val.labels.length} do not fit.`,
    );
  }
  if (train.labels.some((label) => label < 0)) {
    throw new RequestError('The labels of the training features must be class numbers from 0 on.');
  }
  return width;
}

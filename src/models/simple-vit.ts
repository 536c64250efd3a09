import { Transformer } from '../attention/tokens/simple-vit.js';
import { RequestError } from '../errors.js';
import { LayerNorm } from '../nn/layers/normalization.js';
import { Linear } from '../nn/layers/linear.js';
import { Module } from '../nn/module.js';
import { constant, perAxis, shapeError, type PerAxis } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** Options of {@link SimpleVitClassifier}. */
export interface SimpleVitClassifierOptions {
  /** Number of classes; 0: no classifier, forward gives the features. Default 10. */
  readonly classes?: number;
  /** Height and width of the images, one number if they are equal; multiples of the patch's. Default 32. */
  readonly imageSize?: PerAxis;
  /** Channels of the images. Default 3. */
  readonly channels?: number;
  /** Height and width of a patch, one number if they are equal. Default 4. */
  readonly patch?: PerAxis;
  /** Size of a token, a multiple of 4 from 8 on. Default 128. */
  readonly dim?: number;
  /** Number of layers. Default 4. */
  readonly depth?: number;
  /** Number of attention heads. Default 4. */
  readonly heads?: number;
  /** Size of a head. Default 32. */
  readonly headDim?: number;
  /** Hidden size of the feed-forward parts. Default 256. */
  readonly mlpDim?: number;
}

/**
 * SimpleViT for images. Beyer, Zhai and Kolesnikov, 2022, arXiv 2205.01580.
 *
 *   patches   of p1 x p2 places, each p1 p2 C numbers             [B, T, p1 p2 C]    T = (H/p1) (W/p2)
 *   tokens    linear embedding + sines and cosines of the place   [B, T, dim]
 *   depth times x + attention(norm x), x + feedForward(norm x)    [B, T, dim]
 *   features  LayerNorm of the mean token                         [B, dim]
 *   logits    linear                                              [B, classes]
 *
 * Exposes `transformer.layers.<i>.attention.attention`, [B, heads, T, T]. Parameters: p1 p2 C dim +
 * dim of the embedding, those of the layers (see SimpleVit in the zoo), 2 dim, and the classifier's.
 *
 * This is lucidrains' SimpleViT of 2022, from which document 003 was made by cutting patches of channels
 * instead (the zoo's `simple-vit`); the layers are the same. The mean is normalised here, as there,
 * where the paper normalises every token and then takes the mean. The defaults are for images of 32x32.
 */
export class SimpleVitClassifier extends Module {
  /** p1 p2 C -> dim. */
  readonly embedding: Linear;
  readonly transformer: Transformer;
  readonly norm: LayerNorm;
  /** Absent for 0 classes. */
  readonly linear: Linear | undefined;
  /** Numbers per image that `forward` gives: the classes, or without them the size of a token. */
  readonly outFeatures: number;
  readonly #grid: readonly [number, number];
  readonly #patch: readonly [number, number];
  readonly #channels: number;
  readonly #positions: Tensor;

  /** @throws RequestError for a size that is no positive integer, patches that do not divide the image, or a dim that is no multiple of 4 */
  constructor({
    classes = 10,
    imageSize = 32,
    channels = 3,
    patch = 4,
    dim = 128,
    depth = 4,
    heads = 4,
    headDim = 32,
    mlpDim = 256,
  }: SimpleVitClassifierOptions = {}) {
    super();
    const [height = 0, width = 0] = perAxis(imageSize, 2);
    const [patchHeight = 0, patchWidth = 0] = perAxis(patch, 2);
    for (const [name, value] of Object.entries({
      height,
      width,
      channels,
      patchHeight,
      patchWidth,
    })) {
      requireWhole(name, value, 1);
    }
    requireWhole('classes', classes, 0);
    if (height % patchHeight !== 0 || width % patchWidth !== 0) {
      throw new RequestError(
        `A SimpleViT for images of ${height}x${width} cannot cut them into patches of ${patchHeight}x${patchWidth}: choose a patch that divides both sides.`,
      );
    }
    if (!Number.isInteger(dim) || dim < 8 || dim % 4 !== 0) {
      throw new RequestError(
        `The dim of a SimpleViT must be a multiple of 4 from 8 on, for the sines and cosines of rows and columns; not ${dim}.`,
      );
    }
    this.#grid = [height / patchHeight, width / patchWidth];
    this.#patch = [patchHeight, patchWidth];
    this.#channels = channels;
    this.#positions = sineCosinePositions(this.#grid, dim);
    this.embedding = new Linear(patchHeight * patchWidth * channels, dim);
    const grid = { height: height / patchHeight, width: width / patchWidth };
    this.transformer = new Transformer(dim, { depth, heads, headDim, mlpDim, grid });
    this.norm = new LayerNorm(dim);
    this.linear = classes === 0 ? undefined : new Linear(dim, classes);
    this.outFeatures = classes === 0 ? dim : classes;
  }

  /**
   * @param x images [B, C, H, W] of the size that it was made for
   * @returns logits [B, classes]; for 0 classes the features [B, dim]
   */
  override forward(x: Tensor): Tensor {
    const [rows, columns] = this.#grid;
    const [p1, p2] = this.#patch;
    const [batch = 1] = x.shape;
    const image = [this.#channels, rows * p1, columns * p2];
    if (x.shape.slice(1).join() !== image.join()) {
      throw shapeError('SimpleVitClassifier', [x], `Expected images [B, ${image.join(', ')}].`);
    }
    const patches = x
      .reshape([batch, this.#channels, rows, p1, columns, p2])
      .transpose([0, 2, 4, 3, 5, 1])
      .reshape([batch, rows * columns, p1 * p2 * this.#channels]);
    const tokens = this.embedding.forward(patches).add(this.#positions);
    const features = this.norm.forward(this.transformer.forward(tokens).mean(1));
    return this.linear ? this.linear.forward(features) : features;
  }
}

function requireWhole(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new RequestError(
    `The ${name} of a SimpleViT must be an integer of at least ${least}, not ${value}.`,
  );
}

/**
 * Sines and cosines of column and row, a quarter of the numbers each, at dim / 4 frequencies from 1 to
 * 1/10000 in equal steps of their logarithm: [rows * columns, dim].
 */
function sineCosinePositions([rows, columns]: readonly [number, number], dim: number): Tensor {
  const quarter = dim / 4;
  const frequencies = Array.from({ length: quarter }, (_, i) => 10_000 ** (-i / (quarter - 1)));
  const values = Array.from({ length: rows * columns }, (_, place) => {
    const [row, column] = [Math.floor(place / columns), place % columns];
    const angles = (at: number) => frequencies.map((frequency) => at * frequency);
    const [x, y] = [angles(column), angles(row)];
    return [x.map(Math.sin), x.map(Math.cos), y.map(Math.sin), y.map(Math.cos)].flat();
  });
  return constant(values.flat(), [rows * columns, dim]);
}

import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { ModuleList } from '../../nn/layers/container.js';
import { Linear } from '../../nn/layers/linear.js';
import { LayerNorm } from '../../nn/layers/normalization.js';
import type { MapSize } from '../../nn/expose.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type OptionsOf } from '../../options.js';
import { perAxis, shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { heightAndWidth } from '../requirements.js';

const size = z.int().positive();
const dim = size.default(1024).describe('Size of a token.');

const ofAttention = {
  heads: size.default(16).describe('Number of heads.'),
  headDim: size.default(64).describe('d, the size of a head, whatever the size of a token is.'),
};

const ofTransformer = {
  depth: z
    .int()
    // Each layer is built, so a number is a demand on memory: these are more than anybody has trained.
    .min(0)
    .max(1000)
    .default(6)
    .describe('Number of layers; without any, tokens are handed on.'),
  ...ofAttention,
  mlpDim: size.default(2048).describe('Hidden size of the feed-forward parts.'),
};

const feedForwardOptions = new OptionSet({ dim, hiddenDim: size });
const attentionOptions = new OptionSet({ dim, ...ofAttention });
const transformerOptions = new OptionSet(ofTransformer);
const options = new OptionSet({
  imageSize: heightAndWidth
    .default(7)
    .describe('H and W of the maps, one number if they are equal.'),
  patchSize: size.default(32).describe('Channels in a patch; divides the channels.'),
  dim,
  ...ofTransformer,
});

/** How the tokens lie in an image, where they do. */
export interface TokenGrid {
  /**
   * Rows and columns of the patches that the tokens are, row by row; tokens in front of them, such as a class
   * token, are no places. Default: tokens are no places of an image.
   */
  readonly grid?: MapSize;
}

export type MultiHeadAttentionOptions = OptionsOf<typeof ofAttention> & TokenGrid;

export type TransformerOptions = OptionsOf<typeof ofTransformer> & TokenGrid;

export type SimpleVitOptions = OptionsOf<typeof options.shape>;

/** Two linear layers after a LayerNorm: W2 gelu(W1 norm(x)), [B, T, dim] -> same. GELU by erf, not tanh. */
export class FeedForward extends Module {
  readonly norm: LayerNorm;
  /** W1: dim -> hiddenDim. */
  readonly expand: Linear;
  /** W2: hiddenDim -> dim. */
  readonly reduce: Linear;

  constructor(dim: number, hiddenDim: number) {
    super();
    feedForwardOptions.complete('FeedForward', { dim, hiddenDim });
    this.norm = new LayerNorm(dim);
    this.expand = new Linear(dim, hiddenDim);
    this.reduce = new Linear(hiddenDim, dim);
  }

  override forward(x: Tensor): Tensor {
    return this.reduce.forward(this.expand.forward(this.norm.forward(x)).gelu());
  }
}

/**
 * Self-attention of tokens. Vaswani et al., NeurIPS 2017, arXiv 1706.03762; with a LayerNorm in front.
 *
 *   q, k, v = Wqkv norm(x)             each [B, heads, T, d]    no bias
 *   A = softmax(q k^T / sqrt d)        [B, heads, T, T]         over the keys
 *   y = Wo (heads of A v side by side) [B, T, dim]              no bias
 *
 * Exposes `attention`: A. Where the tokens are patches of an image, given by `grid`, it is the attention of
 * these places, without the rows and columns of tokens in front of them, such as a class token. Other tokens
 * have no places, and nothing is drawn of them.
 */
export class MultiHeadAttention extends Module {
  readonly norm: LayerNorm;
  /** Wqkv: dim -> 3 heads d; queries, then keys, then values, each head by head. */
  readonly qkv: Linear;
  /** Wo: heads d -> dim. */
  readonly output: Linear;
  private readonly heads: number;
  private readonly headDim: number;
  private readonly grid: MapSize | undefined;

  constructor(dim: number, { grid, ...given }: MultiHeadAttentionOptions = {}) {
    super();
    const { heads, headDim } = attentionOptions.complete('MultiHeadAttention', { dim, ...given });
    this.heads = heads;
    this.headDim = headDim;
    this.grid = grid;
    this.norm = new LayerNorm(dim);
    this.qkv = new Linear(dim, 3 * heads * headDim, { bias: false });
    this.output = new Linear(heads * headDim, dim, { bias: false });
  }

  /** @param x tokens [B, T, dim] @returns [B, T, dim] */
  override forward(x: Tensor): Tensor {
    if (x.rank !== 3) throw shapeError('MultiHeadAttention', [x], 'Expected [B, T, dim].');
    const { heads, headDim } = this;
    const [batch = 1, tokens = 1] = x.shape;
    const all = this.qkv
      .forward(this.norm.forward(x))
      .reshape([batch, tokens, 3, heads, headDim])
      .transpose([2, 0, 3, 1, 4]);
    const [query, key, value] = [all.select(0, 0), all.select(0, 1), all.select(0, 2)];
    const scaled = query.matmul(key.swapAxes()).div(Math.sqrt(headDim));
    const attention = scaled.softmax(-1);
    this.show(attention);
    const attended = attention.matmul(value).transpose([0, 2, 1, 3]);
    return this.output.forward(attended.reshape([batch, tokens, heads * headDim]));
  }

  private show(attention: Tensor): void {
    const { grid } = this;
    if (grid === undefined) {
      this.expose.other(attention, 'attention');
      return;
    }
    const inFront = attention.dim(-1) - grid.height * grid.width;
    const ofPatches = inFront > 0 ? attention.slice(2, inFront).slice(3, inFront) : attention;
    this.expose.attention(ofPatches, { queries: grid, keys: grid });
  }
}

/** One layer of a {@link Transformer}: x + attention(x), then the same with the feed-forward part. */
export class TransformerLayer extends Module {
  constructor(
    readonly attention: MultiHeadAttention,
    readonly feedForward: FeedForward,
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    const attended = this.attention.forward(x).add(x);
    return this.feedForward.forward(attended).add(attended);
  }
}

/** Layers of attention and feed-forward part, normalised in front of each: [B, T, dim] -> same. */
export class Transformer extends Module {
  readonly layers: ModuleList<TransformerLayer>;

  constructor(dim: number, { grid, ...given }: TransformerOptions = {}) {
    super();
    const { depth, heads, headDim, mlpDim } = transformerOptions.complete('Transformer', given);
    const head = { heads, headDim, ...(grid && { grid }) };
    this.layers = new ModuleList(
      Array.from({ length: depth }, () => {
        const attention = new MultiHeadAttention(dim, head);
        return new TransformerLayer(attention, new FeedForward(dim, mlpDim));
      }),
    );
  }

  override forward(x: Tensor): Tensor {
    return [...this.layers].reduce((tokens, layer) => layer.forward(tokens), x);
  }
}

/**
 * SimpleViT over patches of channels. After Beyer, Zhai and Kolesnikov, 2022, arXiv 2205.01580.
 *
 *   patches     groups of p channels with all of their places   [B, C/p, p H W]
 *   tokens      linear embedding                                [B, C/p, dim]
 *   depth times x + attention(norm x), x + feedForward(norm x)  [B, C/p, dim]
 *   score       mean over tokens and over dim                   [B, 1]
 *
 * Exposes `transformer.layers.<i>.attention.attention`, [B, heads, C/p, C/p]. Cost with h = heads d:
 * p H W dim + dim weights of the embedding; 4 dim h + 2 dim mlpDim + mlpDim + 5 dim in each layer.
 *
 * When not to use it: to classify images, or in a network's slot; it does not keep the shape of a map.
 *
 * This is the model of document 003 (which cites Dosovitskiy et al., ICLR 2021, arXiv 2010.11929, for the
 * Vision Transformer), and not an image classifier: the paper cuts patches of places, adds a
 * sine-cosine code of their position, normalises the result, and has a linear head on the mean token. Here
 * patches are of channels; nothing codes their position, so the result does not depend on the
 * patches' order; and one number per image comes out, which the document takes for a similarity and
 * trains with {@link infoNce}. In place of such a head, use `transformer` on tokens of your own.
 */
export class SimpleVit extends Module {
  /** p H W -> dim. */
  readonly embedding: Linear;
  readonly transformer: Transformer;
  private readonly patchSize: number;
  private readonly area: number;

  /** @throws RequestError if patches do not divide the channels, or a size is not a positive integer */
  constructor(
    readonly channels: number,
    given: SimpleVitOptions = {},
  ) {
    super();
    const { imageSize, patchSize, dim, ...sizes } = options.complete('SimpleVit', given);
    const [height = 0, width = 0] = perAxis(imageSize, 2);
    if (channels % patchSize !== 0) {
      throw new RequestError(
        `SimpleVit(${channels}) with patchSize ${patchSize}: a patch is a group of channels, so patchSize must divide ${channels}.`,
      );
    }
    this.patchSize = patchSize;
    this.area = height * width;
    this.embedding = new Linear(patchSize * this.area, dim);
    this.transformer = new Transformer(dim, sizes);
  }

  /** @param x [B, C, H, W] @returns [B, 1] */
  override forward(x: Tensor): Tensor {
    const { patchSize, area } = this;
    const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
    if (x.rank !== 4 || height * width !== area || channels % patchSize !== 0) {
      throw shapeError(
        'SimpleVit',
        [x],
        `Expected [B, C, H, W] with H W = ${area}, of imageSize, and C a multiple of patchSize, ${patchSize}.`,
      );
    }
    const patches = x.reshape([batch, channels / patchSize, patchSize * area]);
    const tokens = this.transformer.forward(this.embedding.forward(patches));
    return tokens.mean(1).mean(1, { keepDims: true });
  }
}

export const simpleVit = defineMechanism({
  id: 'simple-vit',
  title: 'SimpleViT over channel patches',
  domain: 'tokens',
  keepsShape: false,
  paper: 'Beyer, Zhai and Kolesnikov, 2022',
  year: 2022,
  arxiv: '2205.01580',
  options: options.shape,
  optionsFor: (height, width) => ({ imageSize: height === width ? height : [height, width] }),
  create: (channels, given) => new SimpleVit(channels, given),
});

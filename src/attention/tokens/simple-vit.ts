import { RequestError } from '../../errors.js';
import { ModuleList } from '../../nn/layers/container.js';
import { Linear } from '../../nn/layers/linear.js';
import { LayerNorm } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { perAxis, shapeError, type PerAxis } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { requireCounts, requireParts } from '../requirements.js';

/** Two linear layers after a LayerNorm: W2 gelu(W1 norm(x)), [B, T, dim] -> same. GELU by erf, not tanh. */
export class FeedForward extends Module {
  readonly norm: LayerNorm;
  /** W1: dim -> hiddenDim. */
  readonly expand: Linear;
  /** W2: hiddenDim -> dim. */
  readonly reduce: Linear;

  constructor(dim: number, hiddenDim: number) {
    super();
    requireCounts('FeedForward', { dim, hiddenDim });
    this.norm = new LayerNorm(dim);
    this.expand = new Linear(dim, hiddenDim);
    this.reduce = new Linear(hiddenDim, dim);
  }

  override forward(x: Tensor): Tensor {
    return this.reduce.forward(this.expand.forward(this.norm.forward(x)).gelu());
  }
}

/** Options of {@link MultiHeadAttention}. */
export interface MultiHeadAttentionOptions {
  /** Default 16. */
  readonly heads?: number;
  /** d, the size of a head. Default 64, whatever `dim` is. */
  readonly headDim?: number;
}

/**
 * Self-attention of tokens. Vaswani et al., NeurIPS 2017, arXiv 1706.03762; with a LayerNorm in front.
 *
 *   q, k, v = Wqkv norm(x)             each [B, heads, T, d]    no bias
 *   A = softmax(q k^T / sqrt d)        [B, heads, T, T]         over the keys
 *   y = Wo (heads of A v side by side) [B, T, dim]              no bias
 *
 * Exposes `attention`: A.
 */
export class MultiHeadAttention extends Module {
  readonly norm: LayerNorm;
  /** Wqkv: dim -> 3 heads d; queries, then keys, then values, each head by head. */
  readonly qkv: Linear;
  /** Wo: heads d -> dim. */
  readonly output: Linear;
  private readonly heads: number;
  private readonly headDim: number;

  constructor(dim: number, { heads = 16, headDim = 64 }: MultiHeadAttentionOptions = {}) {
    super();
    requireCounts('MultiHeadAttention', { dim, heads, headDim });
    this.heads = heads;
    this.headDim = headDim;
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
    const attention = this.expose('attention', scaled.softmax(-1));
    const attended = attention.matmul(value).transpose([0, 2, 1, 3]);
    return this.output.forward(attended.reshape([batch, tokens, heads * headDim]));
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

/** Sizes of a {@link Transformer}. */
export interface TransformerOptions extends MultiHeadAttentionOptions {
  /** Number of layers. Default 6. */
  readonly depth?: number;
  /** Hidden size of the feed-forward parts. Default 2048. */
  readonly mlpDim?: number;
}

/** Layers of attention and feed-forward part, normalised in front of each: [B, T, dim] -> same. */
export class Transformer extends Module {
  readonly layers: ModuleList<TransformerLayer>;

  constructor(
    dim: number,
    { depth = 6, heads = 16, headDim = 64, mlpDim = 2048 }: TransformerOptions = {},
  ) {
    super();
    // Without layers it is the identity.
    if (depth !== 0) requireParts('Transformer', { depth });
    this.layers = new ModuleList(
      Array.from({ length: depth }, () => {
        const attention = new MultiHeadAttention(dim, { heads, headDim });
        return new TransformerLayer(attention, new FeedForward(dim, mlpDim));
      }),
    );
  }

  override forward(x: Tensor): Tensor {
    return [...this.layers].reduce((tokens, layer) => layer.forward(tokens), x);
  }
}

/** Options of {@link SimpleVit}. */
export interface SimpleVitOptions extends TransformerOptions {
  /** H and W of the maps, one number if they are equal. Default 7. */
  readonly imageSize?: PerAxis;
  /** Channels in a patch; divides the channels. Default 32. */
  readonly patchSize?: number;
  /** Size of a token. Default 1024. */
  readonly dim?: number;
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
 * This is seed 003's model (which cites Dosovitskiy et al., ICLR 2021, arXiv 2010.11929, for the
 * Vision Transformer), and not an image classifier: the paper cuts patches of places, adds a
 * sine-cosine code of their position, normalises the result, and has a linear head on the mean token. Here
 * patches are of channels; nothing codes their position, so the result does not depend on the
 * patches' order; and one number per image comes out, which the seed takes for a similarity and
 * trains with {@link infoNce}. In place of such a head, use `transformer` on tokens of your own.
 *
 * It does not keep the shape of a map, so it has no place in a network's slot.
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
    { imageSize = 7, patchSize = 32, dim = 1024, ...sizes }: SimpleVitOptions = {},
  ) {
    super();
    const [height = 0, width = 0] = perAxis(imageSize, 2);
    requireCounts('SimpleVit', { channels, height, width, patchSize, dim });
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

const defaults: Required<SimpleVitOptions> = {
  imageSize: 7,
  patchSize: 32,
  dim: 1024,
  depth: 6,
  heads: 16,
  headDim: 64,
  mlpDim: 2048,
};

export const simpleVit = defineMechanism({
  id: 'simple-vit',
  title: 'SimpleViT over channel patches',
  domain: 'tokens',
  keepsShape: false,
  paper: 'Beyer, Zhai and Kolesnikov, 2022',
  year: 2022,
  arxiv: '2205.01580',
  options: defaults,
  // The registry takes one number, for both sides: maps of other forms are for the class itself.
  optionsFor: (height) => ({ imageSize: height }),
  create: (channels, options) => new SimpleVit(channels, options),
});

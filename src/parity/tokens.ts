/** Tokens, and the losses: what the documents' classes and functions are here. */
import { z } from 'zod';
import {
  FeedForward,
  MultiHeadAttention,
  SimpleVit,
  Transformer,
} from '../attention/tokens/simple-vit.js';
import { crossEntropy, infoNce } from '../losses/index.js';
import type { NameMap } from '../weights/names.js';
import type { GoldenSubject } from './golden.js';
import { count, counterpart, few, two } from './counterpart.js';
import type { ParityTable } from './entry.js';

const feedForwardNames = { 'net.0': 'norm', 'net.1': 'expand', 'net.3': 'reduce' };
const attentionNames = { to_qkv: 'qkv', to_out: 'output', norm: 'norm' };

/** A map for a module that stands at `theirs` there and at `ours` here. */
function under(theirs: string, ours: string, names: NameMap): NameMap {
  return Object.fromEntries(
    Object.entries(names).map(([from, to]) => [`${theirs}.${from}`, `${ours}.${to}`]),
  );
}

/** What a transformer of so many layers has, at the path `prefix` (with its dot) both there and here. */
function transformerParts(
  depth: number,
  prefix = '',
): Required<Pick<GoldenSubject, 'names' | 'attention'>> {
  const layers = Array.from({ length: depth }, (_, i) => `${prefix}layers.${i}`);
  return {
    names: Object.assign(
      {},
      ...layers.flatMap((layer) => [
        under(`${layer}.0`, `${layer}.attention`, attentionNames),
        under(`${layer}.1`, `${layer}.feedForward`, feedForwardNames),
      ]),
    ) as NameMap,
    attention: Object.fromEntries(
      layers.map((layer, i) => [`attention.${i}`, `${layer}.attention.attention`]),
    ),
  };
}

export const tokens: ParityTable = {
  /** 003: `FeedForward`. */
  'vit.feed_forward': counterpart(
    z.strictObject({ dim: count, hidden_dim: count }),
    ({ dim, hidden_dim }) => ({
      module: new FeedForward(dim, hidden_dim),
      names: feedForwardNames,
    }),
  ),

  /** 003: `Attention`. */
  'vit.attention': counterpart(
    z.strictObject({ dim: count, heads: count.default(16), dim_head: count.default(64) }),
    ({ dim, heads, dim_head }) => ({
      module: new MultiHeadAttention(dim, { heads, headDim: dim_head }),
      names: attentionNames,
      attention: { attention: 'attention' },
    }),
  ),

  /** 003: `Transformer`. */
  'vit.transformer': counterpart(
    z.strictObject({
      dim: count,
      depth: few,
      heads: count,
      dim_head: count,
      mlp_dim: count,
    }),
    ({ dim, depth, heads, dim_head, mlp_dim }) => ({
      module: new Transformer(dim, { depth, heads, headDim: dim_head, mlpDim: mlp_dim }),
      ...transformerParts(depth),
    }),
  ),

  /** 003: `SimpleViT`. */
  'vit.simple_vit': counterpart(
    z.strictObject({
      image_size: z.union([count, z.tuple([count, count])]),
      patch_size: count,
      dim: count,
      depth: few,
      heads: count,
      mlp_dim: count,
      channels: count.default(512),
      dim_head: count.default(64),
    }),
    ({ image_size, patch_size, dim, depth, heads, mlp_dim, channels, dim_head }) => {
      const { names, attention } = transformerParts(depth, 'transformer.');
      return {
        module: new SimpleVit(channels, {
          imageSize: image_size,
          patchSize: patch_size,
          dim,
          depth,
          heads,
          headDim: dim_head,
          mlpDim: mlp_dim,
        }),
        names: { ...names, 'to_patch_embedding.1': 'embedding' },
        attention,
      };
    },
  ),

  /** 003: `info_nce`, and the cross-entropy that its demo takes of it. */
  'loss.info_nce': counterpart(z.strictObject({}), () => ({
    forward: (inputs) => {
      const { logits, labels, loss } = infoNce(...two(inputs), { pairing: 'means' });
      return [logits, labels, loss];
    },
  })),

  /** 000: `nn.CrossEntropyLoss`. */
  'loss.cross_entropy': counterpart(
    z.strictObject({
      label_smoothing: z.number().min(0).max(1).default(0),
      reduction: z.enum(['mean', 'none']).default('mean'),
    }),
    ({ label_smoothing, reduction }) => ({
      forward: (inputs) => [
        crossEntropy(...two(inputs), { labelSmoothing: label_smoothing, reduction }),
      ],
    }),
  ),
};

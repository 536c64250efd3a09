/** DANet's modules of document 000, and how they are made of ours. */
import { z } from 'zod';
import { ChannelSimilarityAttention, PositionAttention } from '../attention/hybrid/danet.js';
import { DualAttentionHead } from '../attention/hybrid/danet-head.js';
import { BatchNorm2d, GroupNorm, Identity, type Layer } from '../nn/index.js';
import { count, counterpart } from './counterpart.js';
import type { ParityTable } from './entry.js';

/** The class that a head normalises with: by its name, with or without its module. */
const normLayer = z
  .string()
  .transform((name) => name.split('.').at(-1))
  .pipe(z.enum(['BatchNorm2d', 'InstanceNorm2d', 'Identity']));

/** What PyTorch's classes take besides the channels, as far as it is known here. */
const normArguments = {
  BatchNorm2d: z.strictObject({
    eps: z.number().default(1e-5),
    momentum: z.number().nullable().default(0.1),
    affine: z.boolean().default(true),
    track_running_stats: z.literal(true).optional(),
  }),
  InstanceNorm2d: z.strictObject({
    eps: z.number().default(1e-5),
    momentum: z.number().optional(),
    affine: z.boolean().default(false),
    track_running_stats: z.literal(false).optional(),
  }),
};

const headArguments = z
  .looseObject({
    in_channels: count,
    nclass: count,
    aux: z.boolean().default(true),
    norm_layer: normLayer.default('BatchNorm2d'),
    norm_kwargs: z.record(z.string(), z.unknown()).nullish(),
  })
  .transform(({ norm_layer, norm_kwargs, ...rest }, context) => {
    if (norm_layer === 'Identity') return { ...rest, norm: () => new Identity() };
    const parsed = normArguments[norm_layer].safeParse(norm_kwargs ?? {});
    if (parsed.success) return { ...rest, norm: normOf(norm_layer, parsed.data) };
    context.addIssue({ code: 'custom', path: ['norm_kwargs'], message: parsed.error.message });
    return z.NEVER;
  });

function normOf(
  kind: 'BatchNorm2d' | 'InstanceNorm2d',
  {
    eps,
    affine,
    momentum = null,
  }: { eps: number; affine: boolean; momentum?: number | null | undefined },
): (channels: number) => Layer {
  return kind === 'BatchNorm2d'
    ? (channels) => new BatchNorm2d(channels, { eps, affine, momentum })
    : (channels) => new GroupNorm(channels, channels, { eps, affine });
}

// All three constructors take **kwargs and ignore them: here too an argument may be unknown.
export const hybrid: ParityTable = {
  /** 000: `_PositionAttentionModule` */
  'danet.pam': counterpart(z.looseObject({ in_channels: count }), ({ in_channels }) => ({
    module: new PositionAttention(in_channels),
    names: { conv_b: 'query', conv_c: 'key', conv_d: 'value' },
    attention: { attention: 'attention' },
  })),

  /** 000: `_ChannelAttentionModule` */
  'danet.cam': counterpart(z.looseObject({}), () => ({
    module: new ChannelSimilarityAttention({ inverted: true }),
    attention: { attention: 'attention' },
  })),

  /** 000: `_DAHead`. Its dropout of 0.1 is 0 in the cases, which are run without. */
  'danet.head': counterpart(headArguments, ({ in_channels, nclass, aux, norm }) => ({
    module: new DualAttentionHead(in_channels, nclass, {
      auxiliary: aux,
      norm,
      inverted: true,
      dropout: 0,
    }),
    names: {
      conv_p1: 'positionIn',
      conv_c1: 'channelIn',
      'pam.alpha': 'position.alpha',
      'pam.conv_b': 'position.query',
      'pam.conv_c': 'position.key',
      'pam.conv_d': 'position.value',
      cam: 'channel',
      conv_p2: 'positionOut',
      conv_c2: 'channelOut',
      out: 'classifier',
      conv_p3: 'positionClassifier',
      conv_c3: 'channelClassifier',
    },
    attention: { position: 'position.attention', channel: 'channel.attention' },
  })),
};

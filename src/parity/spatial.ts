/** Spatial attention: what the documents' classes are here. */
import { z } from 'zod';
import type { GatherExciteActivation } from '../attention/spatial/gather-excite.js';
import { NonLocal, type NonLocalKind } from '../attention/spatial/non-local.js';
import { SaganAttention } from '../attention/spatial/sagan.js';
import { FoveaError } from '../errors.js';
import { forwardRecord } from '../nn/context.js';
import type { Layer } from '../nn/module.js';
import type { GoldenSubject } from './golden.js';
import { count, counterpart } from './counterpart.js';
import type { ParityEntry, ParityTable } from './entry.js';
import { FoldedNonLocal, PaddedGatherExcite } from './quirks.js';

/** The document's forward returns the attention map too; ours exposes it. */
function returningAttention(module: Layer): Required<GoldenSubject>['forward'] {
  return ([x]) => {
    const output = x && module.forward(x);
    const attention = forwardRecord().exposed.get('attention');
    if (output === undefined || attention === undefined) {
      throw new FoveaError('The case has no input, or the module exposed no attention.');
    }
    return [output, attention];
  };
}

/** 000: `NONLocalBlock1D`, `2D` and `3D`. */
function nonLocal(kind: NonLocalKind, dimension: 1 | 2 | 3): ParityEntry {
  return counterpart(
    z.strictObject({
      in_channels: count,
      inter_channels: count.nullish(),
      sub_sample: z.boolean().default(true),
      bn_layer: z.boolean().default(true),
    }),
    ({ in_channels, inter_channels, sub_sample, bn_layer }) => {
      const module = new NonLocal(in_channels, {
        kind,
        dimension,
        innerChannels: inter_channels ?? null,
        subSample: sub_sample,
        batchNorm: bn_layer,
      });
      const names = {
        ...(sub_sample && { 'g.0': 'g', 'phi.0': 'phi' }),
        ...(bn_layer ? { 'W.0': 'output', 'W.1': 'norm' } : { W: 'output' }),
        'concat_project.0': 'similarity',
      };
      return { module, names, forward: returningAttention(module) };
    },
  );
}

function nonLocals(): ParityTable {
  const kinds = {
    concatenation: 'concatenation',
    dot_product: 'dot-product',
    embedded_gaussian: 'embedded-gaussian',
    gaussian: 'gaussian',
  } as const;
  return Object.fromEntries(
    Object.entries(kinds).flatMap(([theirs, kind]) =>
      ([1, 2, 3] as const).map((d) => [`nonlocal.${theirs}.${d}d`, nonLocal(kind, d)]),
    ),
  );
}

/** Activations by what timm, torch and the document call them, less case, underscores and `nn.`. */
const ACTIVATIONS: Readonly<Record<string, GatherExciteActivation>> = {
  relu: 'relu',
  relu6: 'relu6',
  leakyrelu: 'leaky-relu',
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  tanh: 'tanh',
  sigmoid: 'sigmoid',
  hardsigmoid: 'hard-sigmoid',
};

const activation = z
  .string()
  .transform((name) => ACTIVATIONS[name.replace(/^(torch\.)?nn\.|_/g, '').toLowerCase()])
  .refine((name) => name !== undefined, 'no activation that is known here');

export const spatial: ParityTable = {
  ...nonLocals(),

  /** 000: `NonLocalBlock`. */
  'nonlocal.simple': counterpart(z.strictObject({ channel: count }), ({ channel }) => ({
    module: new FoldedNonLocal(channel),
    names: { conv_phi: 'phi', conv_theta: 'theta', conv_g: 'g', conv_mask: 'mask' },
    attention: { attention: 'attention' },
  })),

  /** 002: `GatherExcite`. */
  gather_excite: counterpart(
    z.strictObject({
      channels: count,
      feat_size: count.nullish(),
      extra_params: z.boolean().default(false),
      // The gradient of its maximum takes a step for every place of the window.
      extent: z.int().nonnegative().max(16).default(0),
      use_mlp: z.boolean().default(true),
      rd_ratio: z
        .number()
        .positive()
        .default(1 / 16),
      rd_channels: z.int().nonnegative().nullish(),
      rd_divisor: count.default(1),
      add_maxpool: z.boolean().default(false),
      act_layer: activation.default('relu'),
      // A flag, whatever it names: the document always takes BatchNorm2d.
      norm_layer: z.union([z.string(), z.boolean()]).nullable().default(true),
      gate_layer: activation.default('sigmoid'),
    }),
    (config) => {
      const { extent, extra_params } = config;
      // The document makes int(log2(extent)) convolutions: as many as for the next lower power of two.
      const strided = extra_params && extent > 0 && extent % 2 === 0;
      const module = new PaddedGatherExcite(config.channels, {
        extent: strided ? 2 ** Math.floor(Math.log2(extent)) : extent,
        parameters: extra_params,
        featureSize: config.feat_size ?? null,
        mlp: config.use_mlp,
        hiddenRatio: config.rd_ratio,
        hiddenChannels: config.rd_channels || null,
        hiddenDivisor: config.rd_divisor,
        maxPool: config.add_maxpool && !extra_params,
        norm: Boolean(config.norm_layer),
        activation: config.act_layer,
        gate: config.gate_layer,
      });
      const gathering = [...module.convs].flatMap((_, i) => [
        [`gather.conv${i + 1}`, `convs.${i}`],
        [`gather.norm${i + 1}`, `norms.${i}`],
      ]);
      const names = {
        ...Object.fromEntries(gathering),
        'mlp.fc1': 'reduce',
        'mlp.fc2': 'expand',
      } as Record<string, string>;
      return { module, names, attention: { gate: 'gate' } };
    },
  ),

  /** 003: `Self_Attn_bchw`. */
  sagan: counterpart(
    // The document takes an activation and never uses it.
    z.strictObject({ in_dim: count, activation: z.string().nullish() }),
    ({ in_dim }) => {
      const module = new SaganAttention(in_dim);
      const names = { query_conv: 'query', key_conv: 'key', value_conv: 'value' };
      return { module, names, forward: returningAttention(module) };
    },
  ),
};

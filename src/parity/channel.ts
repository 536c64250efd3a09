/** Channel attention: what the documents' SE, ECA, SK and SF are here. */
import { z } from 'zod';
import { Eca } from '../attention/channel/eca.js';
import { SelectiveFusion } from '../attention/channel/selective-fusion.js';
import { SelectiveKernel } from '../attention/channel/selective-kernel.js';
import { SqueezeExcite } from '../attention/channel/squeeze-excite.js';
import { nameMaps } from '../weights/names.js';
import { count, counterpart, few, only } from './counterpart.js';
import type { ParityTable } from './entry.js';
import { EvenEca, LinearSelectiveKernel } from './quirks.js';

const gate = { gate: 'channel' };
const branchWeights = { branch_weights: 'branchWeights' };

export const channel: ParityTable = {
  /** 000: `SE`. */
  'se.conv': counterpart(
    z.strictObject({ in_chnls: count, ratio: count }),
    ({ in_chnls, ratio }) => ({
      module: new SqueezeExcite(in_chnls, { ratio }),
      names: nameMaps['seed-000-se'],
      attention: gate,
    }),
  ),

  /** 001: `SEBlock`. */
  'se.linear': counterpart(
    z.strictObject({ mode: z.enum(['avg', 'max']), channels: count, ratio: count }),
    ({ mode, channels, ratio }) => ({
      module: new SqueezeExcite(channels, { ratio, squeeze: mode, bias: false }),
      names: nameMaps['seed-001-se'],
      attention: gate,
    }),
  ),

  /** 003: `Self_Attn_channel`. */
  'se.senet_linear': counterpart(
    z.strictObject({ channel: count, reduction: count.default(16) }),
    ({ channel, reduction }) => ({
      module: new SqueezeExcite(channel, { ratio: reduction, bias: false }),
      names: nameMaps['seed-003-se'],
      attention: gate,
    }),
  ),

  /** 000: `ECA`, which returns the gate. */
  'eca.fixed': counterpart(
    z.strictObject({ channel: count, k_size: count.default(3) }),
    ({ channel, k_size }) => {
      if (k_size % 2 === 0) return { module: new EvenEca(k_size) };
      const module = new Eca(channel, { kernel: k_size });
      return { module, forward: (inputs) => [module.gate(only(inputs))] };
    },
  ),

  /** 001: `ECABlock`. */
  'eca.adaptive': counterpart(
    z.strictObject({ channels: count, gamma: z.number().default(2), b: z.number().default(1) }),
    ({ channels, gamma, b }) => ({ module: new Eca(channels, { gamma, b }), attention: gate }),
  ),

  /** 000: the first `SKConv`, always of 32 groups. */
  'sk.a': counterpart(
    z.strictObject({
      in_channels: count,
      out_channels: count,
      stride: count.default(1),
      M: few.default(2),
      r: count.default(16),
      L: z.int().default(32),
    }),
    ({ in_channels, out_channels, stride, M, r, L }) => ({
      module: new SelectiveKernel(in_channels, {
        outChannels: out_channels,
        stride,
        branches: M,
        reduction: r,
        minHidden: Math.max(1, L),
        groups: 32,
      }),
      names: { conv: 'branches', fc1: 'fuse', fc2: 'select' },
      attention: branchWeights,
    }),
  ),

  /** 000: the second `SKConv`. */
  'sk.b': counterpart(
    z.strictObject({
      features: count,
      M: few.default(2),
      G: count.default(32),
      r: z.number().positive().default(16),
      stride: count.default(1),
      L: z.int().default(32),
    }),
    ({ features, M, G, r, stride, L }) => ({
      module: new SelectiveKernel(features, {
        branches: M,
        groups: G,
        reduction: r,
        stride,
        minHidden: Math.max(1, L),
        head: 'per-branch',
      }),
      names: { convs: 'branches', fc: 'fuse', fcs: 'select' },
      attention: branchWeights,
    }),
  ),

  /** 000: the third `SKConv`, which never looks at its WH. */
  'sk.c': counterpart(
    z.strictObject({
      features: count,
      WH: z.unknown(),
      M: few,
      G: count,
      r: z.number().positive(),
      stride: count.default(1),
      L: z.int().default(32),
    }),
    ({ features, M, G, r, stride, L }) => ({
      module: new LinearSelectiveKernel(
        features,
        { branches: M, groups: G, stride },
        Math.max(Math.floor(features / r), L),
      ),
      names: { convs: 'branches', fc: 'fuse', fcs: 'select' },
      attention: branchWeights,
    }),
  ),

  /** 000: `SF`, always of 32 groups, which returns the gate. */
  sf: counterpart(z.strictObject({ channels: count, M: few.default(2) }), ({ channels, M }) => {
    const module = new SelectiveFusion(channels, { branches: M, groups: 32 });
    return {
      module,
      forward: (inputs) => [module.gate(only(inputs))],
      names: { convs: 'branches' },
    };
  }),
};

/** The fusion modules of document 004, and how they are made of ours. */
import { z } from 'zod';
import { GatedFusion } from '../attention/fusion/gated.js';
import { dilatedBlock, MultiFeatureExtraction } from '../attention/fusion/mfe.js';
import { MultiScaleSelectiveFusion } from '../attention/fusion/msf.js';
import { SpatiallyAdaptiveModulation } from '../attention/fusion/safm.js';
import { Conv2d } from '../nn/index.js';
import { perAxis, type Padding, type PerAxis } from '../ops/index.js';
import { count, counterpart, few, two } from './counterpart.js';
import type { ParityTable } from './entry.js';
import { ReluOsra } from './quirks.js';

/** One number for both axes of an image, or one for each. */
const perImageAxis = z.union([count, z.tuple([count, count])]);
const paddings = z.union([
  z.int().min(0),
  z.tuple([z.int().min(0), z.int().min(0)]),
  z.enum(['same', 'valid']),
]);

/** The four `oneConv` of a block; each keeps its convolution in a Sequential of its own. */
const selectionNames = {
  'SE1.conv.0': 'selection.describe.0',
  'SE2.conv.0': 'selection.describe.1',
  'SE3.conv.0': 'selection.describe.2',
  'SE4.conv.0': 'selection.describe.3',
};

export const fusion: ParityTable = {
  /** 004: `gatedFusion`, of maps [.., dim] */
  'fusion.gated': counterpart(z.strictObject({ dim: count }), ({ dim }) => {
    const module = new GatedFusion(dim, { channelsLast: true });
    return {
      module,
      forward: (inputs) => [module.forward(...two(inputs))],
      names: { fc1: 'first', fc2: 'second' },
      attention: { z: 'gate' },
    };
  }),

  /** 004: `oneConv`, a convolution and nothing else */
  'msf.one_conv': counterpart(
    z.strictObject({
      in_channels: count,
      out_channels: count,
      kernel_sizes: perImageAxis,
      paddings,
      dilations: perImageAxis,
    }),
    ({ in_channels, out_channels, kernel_sizes, paddings: given, dilations: dilation }) => ({
      module: new Conv2d(in_channels, out_channels, kernel_sizes, {
        padding: paddingOf(given, kernel_sizes, dilation),
        dilation,
        bias: false,
      }),
      names: { 'conv.0': '' },
    }),
  ),

  /** 004: `MSFblock` */
  msf: counterpart(z.strictObject({ in_channels: count }), ({ in_channels }) => ({
    module: new MultiScaleSelectiveFusion(in_channels),
    names: selectionNames,
    attention: { scale_weights: 'branchWeights' },
  })),

  /** 004: `ASPPConv` */
  'mfe.aspp_conv': counterpart(
    z.strictObject({ in_channels: count, out_channels: count, dilation: perImageAxis }),
    ({ in_channels, out_channels, dilation }) => ({
      module: dilatedBlock(in_channels, out_channels, dilation),
    }),
  ),

  /** 004: `MFEblock` */
  mfe: counterpart(
    z.strictObject({ in_channels: count, atrous_rates: z.tuple([count, count, count]) }),
    ({ in_channels, atrous_rates: rates }) => ({
      module: new MultiFeatureExtraction(in_channels, { rates }),
      names: {
        ...selectionNames,
        layer1: 'branches.0',
        layer2: 'branches.1',
        layer3: 'branches.2',
        layer4: 'branches.3',
      },
      attention: { scale_weights: 'branchWeights' },
    }),
  ),

  /** 004: `SAFM` */
  safm: counterpart(
    z.strictObject({ dim: count, n_levels: few.default(4) }),
    ({ dim, n_levels: levels }) => ({
      module: new SpatiallyAdaptiveModulation(dim, { levels }),
      names: { mfr: 'features', aggr: 'aggregate' },
      attention: { modulation: 'modulation' },
    }),
  ),

  /** 004: `OSRAttention`. The cases are run without dropout, whatever attn_drop says. */
  osra: counterpart(
    z.strictObject({
      dim: count,
      num_heads: count.default(8),
      qk_scale: z.number().nullish(),
      attn_drop: z.number().min(0).max(1).optional(),
      sr_ratio: count.default(2),
    }),
    ({ dim, num_heads: heads, qk_scale, sr_ratio: reduction }) => ({
      module: new ReluOsra(dim, {
        heads,
        // `qk_scale or ..`: 0 means the default, as None does.
        scale: qk_scale || null,
        reduction,
      }),
      names: { q: 'query', kv: 'keyValue', sr: 'reduce', local_conv: 'local' },
      attention: { attention: 'attention' },
    }),
  ),
};

/** torch's paddings: numbers, 'valid' for none, or 'same', where an odd one goes to the end. */
function paddingOf(given: z.output<typeof paddings>, kernel: PerAxis, dilation: PerAxis): Padding {
  if (given === 'valid') return 0;
  if (given !== 'same') return given;
  const dilations = perAxis(dilation, 2);
  return perAxis(kernel, 2).map((size, axis) => {
    const total = (size - 1) * (dilations[axis] ?? 1);
    return [Math.floor(total / 2), Math.ceil(total / 2)] as const;
  });
}

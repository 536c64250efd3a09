/** CBAM and its parts: what the documents' classes are here. */
import { z } from 'zod';
import { Cbam } from '../attention/hybrid/cbam.js';
import { ChannelGate } from '../attention/hybrid/channel-gate.js';
import { JointCbam } from '../attention/hybrid/joint-cbam.js';
import { SpatialGate } from '../attention/hybrid/spatial-gate.js';
import type { GoldenSubject } from './golden.js';
import { count, counterpart, only } from './counterpart.js';
import type { ParityTable } from './entry.js';
import { EvenSpatialLogits, ForgetfulCbam } from './quirks.js';

const attention = { channel: 'channel', spatial: 'spatial' };

/** The kernels that document 000 and document 001 allow. */
const kernelOf000 = z.literal([3, 7]);
const kernelOf001 = z.literal([3, 5, 7]);

/** 000: `CBAM`. */
function plain(module: Cbam): GoldenSubject {
  return {
    module,
    names: { 'ca.shared_MLP': 'channelGate.transform', 'sa.conv1': 'spatialGate.conv' },
    attention,
  };
}

/** What `CBAMBlock` of 001 has in both modes, where the arguments of the other one may be anything. */
const blockArguments = {
  spatial_attention_kernel_size: kernelOf001,
  channels: count,
  ratio: z.unknown().optional(),
  gamma: z.unknown().optional(),
  b: z.unknown().optional(),
};
const blockSpatialNames = { 'spatial_attention_block.conv': 'spatialGate.conv' };

export const cbam: ParityTable = {
  /** 000: `CBAM`, which hides the ratio and the kernel. */
  'cbam.plain': counterpart(z.strictObject({ planes: count }), ({ planes }) =>
    plain(new Cbam(planes)),
  ),

  /** 000: `CBAM` with the arguments of its parts handed through. */
  'cbam.plain.param': counterpart(
    z.strictObject({
      planes: count,
      ratio: count.default(16),
      kernel_size: kernelOf000.default(7),
    }),
    ({ planes, ratio, kernel_size }) => plain(new Cbam(planes, { ratio, kernel: kernel_size })),
  ),

  /** 000: `ChannelAttention`, which returns the gate. */
  'cbam.plain.channel': counterpart(
    z.strictObject({ in_planes: count, ratio: count.default(16) }),
    ({ in_planes, ratio }) => {
      const module = new ChannelGate(in_planes, { ratio });
      return {
        module,
        forward: (inputs) => [module.gate(only(inputs))],
        names: { shared_MLP: 'transform' },
      };
    },
  ),

  /** 000: `SpatialAttention`, which returns the gate. */
  'cbam.plain.spatial': counterpart(
    z.strictObject({ kernel_size: kernelOf000.default(7) }),
    ({ kernel_size }) => {
      const module = new SpatialGate({ kernel: kernel_size });
      return {
        module,
        forward: (inputs) => [module.gate(only(inputs))],
        names: { conv1: 'conv' },
      };
    },
  ),

  /** 001: `CBAMBlock`. */
  'cbam.block': counterpart(
    z.discriminatedUnion('channel_attention_mode', [
      z.strictObject({
        ...blockArguments,
        channel_attention_mode: z.literal('FC'),
        ratio: count,
      }),
      z.strictObject({
        ...blockArguments,
        channel_attention_mode: z.literal('Conv'),
        gamma: z.number(),
        b: z.number(),
      }),
    ]),
    (given) => {
      const { channels, spatial_attention_kernel_size: kernel } = given;
      const spatial = { kernel, spatialPools: 'max+avg' } as const;
      if (given.channel_attention_mode === 'FC') {
        return {
          module: new Cbam(channels, { ratio: given.ratio, ...spatial }),
          names: {
            'channel_attention_block.fc_layers': 'channelGate.transform',
            ...blockSpatialNames,
          },
          attention,
        };
      }
      const { gamma, b } = given;
      return {
        module: new Cbam(channels, { mode: 'conv1d', gamma, b, ...spatial }),
        names: { 'channel_attention_block.conv': 'channelGate.transform', ...blockSpatialNames },
        attention,
      };
    },
  ),

  /** 001: `Channel_Attention_Module_FC`. */
  'cbam.block.channel_fc': counterpart(
    z.strictObject({ channels: count, ratio: count }),
    ({ channels, ratio }) => ({
      module: new ChannelGate(channels, { ratio }),
      names: { fc_layers: 'transform' },
      attention: { channel_flat: 'channel' },
    }),
  ),

  /** 001: `Channel_Attention_Module_Conv`. */
  'cbam.block.channel_conv': counterpart(
    z.strictObject({ channels: count, gamma: z.number().default(2), b: z.number().default(1) }),
    ({ channels, gamma, b }) => ({
      module: new ChannelGate(channels, { mode: 'conv1d', gamma, b }),
      names: { conv: 'transform' },
      attention,
    }),
  ),

  /** 001: `Spatial_Attention_Module`. */
  'cbam.block.spatial': counterpart(z.strictObject({ k: kernelOf001 }), ({ k }) => ({
    module: new SpatialGate({ kernel: k, pools: 'max+avg' }),
    attention,
  })),

  /** 003: `Self_Attn_channel_and_spatial`, which never looks at its pool_types. */
  'cbam.channel_and_spatial': counterpart(
    z.strictObject({
      channel: count,
      reduction: count.default(16),
      pool_types: z.unknown().optional(),
    }),
    ({ channel, reduction }) => ({
      module: new ForgetfulCbam(channel, reduction),
      names: {
        'fc.1': 'channelGate.transform.0',
        'fc.3': 'channelGate.transform.2',
        conv_1x1: 'spatialGate.conv',
      },
      attention: { channel_unused: 'channel', spatial: 'spatial' },
    }),
  ),

  /** 004: `CBAMBlock`, which returns two maps. Its HW is None by default, which fails. */
  'cbam.joint': counterpart(
    z.strictObject({
      channel: count.default(512),
      reduction: count.default(16),
      kernel_size: count.default(49),
      HW: count,
    }),
    ({ channel, reduction, kernel_size, HW }) => {
      const module = new JointCbam(channel, {
        positions: HW,
        ratio: reduction,
        kernel: kernel_size,
      });
      return {
        module,
        forward: (inputs) => {
          const x = only(inputs);
          const { channel: ofChannels, spatial } = module.gates(x);
          return [x.mul(ofChannels), x.mul(spatial)];
        },
        names: {
          'ChannelAttention.se': 'channelGate.transform',
          'SpatialAttention.conv': 'spatialGate.conv',
          'MLP.0': 'reduce',
          'MLP.2': 'expand',
        },
        attention,
      };
    },
  ),

  /** 004: `ChannelAttention`, which returns the logits. */
  'cbam.joint.channel': counterpart(
    z.strictObject({ channel: count, reduction: count.default(16) }),
    ({ channel, reduction }) => {
      const module = new ChannelGate(channel, { ratio: reduction });
      return {
        module,
        forward: (inputs) => [module.logits(only(inputs))],
        names: { se: 'transform' },
      };
    },
  ),

  /** 004: `SpatialAttention`, which returns the logits. */
  'cbam.joint.spatial': counterpart(
    z.strictObject({ kernel_size: count.default(7) }),
    ({ kernel_size }) => {
      if (kernel_size % 2 === 0) return { module: new EvenSpatialLogits(kernel_size) };
      const module = new SpatialGate({ kernel: kernel_size, bias: true, pools: 'max+avg' });
      return { module, forward: (inputs) => [module.logits(only(inputs))] };
    },
  ),
};

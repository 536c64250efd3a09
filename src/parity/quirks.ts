/**
 * Modules that repeat what only the documents do: slips, or forms that nobody would choose. They are here so
 * that the documents' weights and numbers can be checked, and not among the mechanisms.
 */
import { selected } from '../attention/channel/selective-kernel.js';
import { OverlappingReductionAttention } from '../attention/fusion/osra.js';
import { ChannelGate } from '../attention/hybrid/channel-gate.js';
import { SpatialGate } from '../attention/hybrid/spatial-gate.js';
import { GatherExcite } from '../attention/spatial/gather-excite.js';
import { SimpleNonLocal } from '../attention/spatial/simple-non-local.js';
import { ReLU } from '../nn/layers/activation.js';
import { ModuleList, Sequential } from '../nn/layers/container.js';
import { Conv1d, Conv2d } from '../nn/layers/conv.js';
import { Linear } from '../nn/layers/linear.js';
import { BatchNorm2d } from '../nn/layers/normalization.js';
import { Module, type Layer } from '../nn/module.js';
import { concat, shapeError } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** 000 `ECA` with an even kernel, which makes a gate of C - 1 values: it is returned, and weighs nothing. */
export class EvenEca extends Module {
  readonly conv: Conv1d;

  constructor(kernel: number) {
    super();
    this.conv = new Conv1d(1, 1, kernel, { padding: Math.floor((kernel - 1) / 2), bias: false });
  }

  /** [B, C, H, W] -> [B, C - 1, 1, 1] */
  override forward(x: Tensor): Tensor {
    const [batch = 1, channels = 1] = x.shape;
    const gate = this.conv.forward(x.globalAvgPool().reshape([batch, 1, channels])).sigmoid();
    return gate.reshape([batch, gate.dim(2), 1, 1]);
  }
}

/** 004 `SpatialAttention` with an even kernel, which makes logits of one row and one column more than x has. */
export class EvenSpatialLogits extends Module {
  readonly conv: Conv2d;

  constructor(kernel: number) {
    super();
    this.conv = new Conv2d(2, 1, kernel, { padding: kernel / 2 });
  }

  /** [B, C, H, W] -> [B, 1, H + 1, W + 1] */
  override forward(x: Tensor): Tensor {
    const pools = [x.maxFirst(1, { keepDims: true }), x.mean(1, { keepDims: true })];
    return this.conv.forward(concat(pools, 1));
  }
}

/** A channel gate that pools by the maximum twice, where a mean was meant. */
class TwiceMaximum extends ChannelGate {
  override logits(x: Tensor): Tensor {
    return super.logits(x).mul(2);
  }
}

/** 003 `Self_Attn_channel_and_spatial`: computes its channel gate and goes on with x as it was. */
export class ForgetfulCbam extends Module {
  readonly channelGate: ChannelGate;
  readonly spatialGate = new SpatialGate({ kernel: 1, bias: true, pools: 'max+avg' });

  constructor(channels: number, ratio: number) {
    super();
    this.channelGate = new TwiceMaximum(channels, { ratio, bias: true, pools: 'max' });
  }

  override forward(x: Tensor): Tensor {
    this.expose.channel(this.channelGate.gate(x));
    return x.mul(this.expose.spatial(this.spatialGate.gate(x)));
  }
}

/** 000, the third `SKConv`: growing kernels with biases, and two linear layers with nothing between them. */
export class LinearSelectiveKernel extends Module {
  readonly branches: ModuleList<Sequential>;
  readonly fuse: Linear;
  readonly select: ModuleList<Linear>;

  constructor(
    channels: number,
    sizes: { readonly branches: number; readonly groups: number; readonly stride: number },
    hidden: number,
  ) {
    super();
    const { branches, groups, stride } = sizes;
    const each = <Part extends Module>(make: (i: number) => Part) =>
      new ModuleList(Array.from({ length: branches }, (_, i) => make(i)));
    this.branches = each(
      (i) =>
        new Sequential(
          new Conv2d(channels, channels, 3 + 2 * i, { stride, groups, padding: 1 + i }),
          new BatchNorm2d(channels),
          new ReLU(),
        ),
    );
    this.fuse = new Linear(channels, hidden);
    this.select = each(() => new Linear(hidden, channels));
  }

  override forward(x: Tensor): Tensor {
    const maps = [...this.branches].map((branch) => branch.forward(x));
    const union = maps.reduce((sum, map) => sum.add(map));
    const z = this.fuse.forward(union.mean([2, 3]));
    const logits = [...this.select].map((layer) => layer.forward(z));
    const [batch = 1, channels = 1] = union.shape;
    const weights = concat(logits, 1).reshape([batch, maps.length, channels]).softmax(1);
    return selected(maps, this.expose.branches(weights));
  }
}

/**
 * 000 `NonLocalBlock`: reads each [C/2, N] as [C, M] with M = N/2, which folds two halves of the pixels into
 * the channels, and takes the softmax over the queries.
 */
export class FoldedNonLocal extends SimpleNonLocal {
  protected override attend(query: Tensor, key: Tensor, value: Tensor): Tensor {
    const [q, k, v] = [query, key, value].map((map) => this.fold(map)) as [Tensor, Tensor, Tensor];
    const attention = this.expose.other(q.swapAxes().matmul(k).softmax(1), 'attention');
    return attention.matmul(v.swapAxes()).swapAxes().reshape(value.shape);
  }

  /** [B, C/2, H, W] -> [B, C, M] */
  private fold(map: Tensor): Tensor {
    const [batch = 1] = map.shape;
    const folded = map.size / batch / this.channels;
    if (Number.isInteger(folded)) return map.reshape([batch, this.channels, folded]);
    throw shapeError(
      'NonLocalBlock',
      [map],
      `The elements of one image do not fold into ${this.channels} channels: give it an even number of pixels.`,
    );
  }
}

/** 002 `GatherExcite`, as timm's: pads its convolution of extent 0, which so makes a map of a map. */
export class PaddedGatherExcite extends GatherExcite {
  protected override globalConvolution(kernel: readonly number[]): Conv2d {
    return new Conv2d(this.channels, this.channels, kernel, {
      groups: this.channels,
      bias: false,
      padding: kernel.map((size) => Math.floor((size - 1) / 2)),
    });
  }

  protected override requireSize(): void {
    // Of a map of any size it makes another, which is stretched to x.
  }
}

/** 004 `OSRAttention`: a ReLU where the authors have GELU. */
export class ReluOsra extends OverlappingReductionAttention {
  protected override activation(): Layer {
    return new ReLU();
  }
}

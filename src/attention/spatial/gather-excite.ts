import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { ModuleList } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { OptionSet, type CompleteOptions, type OptionsOf } from '../../options.js';
import { perAxis, shapeError } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../mechanism.js';
import { heightAndWidth } from '../requirements.js';

/** Functions that a Gather-Excite layer may use between its convolutions and as its gate. */
const ACTIVATIONS = {
  relu: (x: Tensor) => x.relu(),
  relu6: (x: Tensor) => x.clip({ min: 0, max: 6 }),
  'leaky-relu': (x: Tensor) => x.leakyRelu(),
  silu: (x: Tensor) => x.silu(),
  gelu: (x: Tensor) => x.gelu(),
  tanh: (x: Tensor) => x.tanh(),
  sigmoid: (x: Tensor) => x.sigmoid(),
  'hard-sigmoid': (x: Tensor) => x.add(3).clip({ min: 0, max: 6 }).div(6),
} as const;

export type GatherExciteActivation = keyof typeof ACTIVATIONS;

const activation = z.enum(Object.keys(ACTIVATIONS) as GatherExciteActivation[]);

const options = new OptionSet({
  extent: z
    .int()
    .min(0)
    .multipleOf(2)
    .meta({ values: '0 or a positive even integer' })
    .default(0)
    .describe('How many places a gathered one stands for, along each axis; 0: all.'),
  parameters: z
    .boolean()
    .default(false)
    .describe('Whether depthwise convolutions gather, instead of means.'),
  featureSize: heightAndWidth
    .nullable()
    .default(null)
    .describe('H and W of the maps, one number if equal; needed with parameters and extent 0.'),
  mlp: z.boolean().default(true).describe('Whether two 1x1 convolutions follow the gathering.'),
  hiddenRatio: z
    .number()
    .positive()
    .default(1 / 16)
    .describe('Hidden channels of the MLP as a share of the channels.'),
  hiddenChannels: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Hidden channels of the MLP; null: by hiddenRatio and hiddenDivisor.'),
  hiddenDivisor: z
    .number()
    .min(1)
    .default(1)
    .describe('Rounds the hidden channels to the nearest multiple of this, at least one.'),
  maxPool: z
    .boolean()
    .default(false)
    .describe('Whether the mean of average and maximum gathers, where there are no parameters.'),
  norm: z
    .boolean()
    .default(true)
    .describe('Whether a BatchNorm follows each gathering convolution.'),
  activation: activation
    .default('relu')
    .describe('Between gathering convolutions, and inside the MLP.'),
  gate: activation.default('sigmoid').describe('What turns gathered values into factors.'),
});

export type GatherExciteOptions = OptionsOf<typeof options.shape>;

type Complete = CompleteOptions<typeof options.shape>;

/**
 * Gather-Excite. Hu, Shen, Albanie, Sun and Vedaldi, NeurIPS 2018, arXiv 1810.12348.
 *
 *   gather   s   [B, C, H', W']     by extent e and parameters:
 *     e = 0, without    mean over H, W                                        H' = W' = 1
 *     e > 0, without    means of windows of 2e - 1 around every e-th place    H' = ceil(H / e)
 *     e = 0, with       one depthwise convolution as large as the map, BatchNorm        1 x 1
 *     e > 0, with       log2 e depthwise 3x3 convolutions of stride 2 with BatchNorm    ceil(H / e)
 *   mlp      s = W2 relu(W1 s)      [B, C, H', W']
 *   excite   y = x * sigmoid(s), s stretched to H, W by nearest neighbours         [B, C, H, W]
 *
 * The paper's GE-theta-minus is `mlp: false`, its GE-theta `parameters: true, mlp: false`, and its
 * GE-theta-plus both. Extent 0 with the MLP alone (the default) is Squeeze-and-Excitation.
 *
 * Exposes `gate`: the factors, [B, C, 1, 1] or [B, C, H, W]. Cost: the MLP has 2 C C' weights and C + C'
 * biases; a gathering convolution has 9 C weights (H W C for extent 0) and 2 C of its BatchNorm.
 *
 * When not to use it: without an extent or parameters, which make it differ from Squeeze-and-Excitation; and
 * with parameters and extent 0 on images of several sizes, since that convolution fits one.
 *
 * Document 002 has timm's `GatherExcite`. Its convolution for extent 0 is padded by half of its kernel, so it
 * gives a map and not the one number per channel of the paper; it ignores `add_maxpool` where there are
 * parameters, and rounds the number of convolutions down for extents that are no power of two. Here the
 * last two are errors.
 */
export class GatherExcite extends Module {
  /** Depthwise convolutions, first to last. */
  readonly convs: ModuleList<Conv2d>;
  /** One for each convolution, or none. */
  readonly norms: ModuleList<BatchNorm2d>;
  /** W1: C -> C'. */
  readonly reduce: Conv2d | undefined;
  /** W2: C' -> C. */
  readonly expand: Conv2d | undefined;
  protected readonly options: Complete;

  /** @throws RequestError for options that contradict each other or the channels */
  constructor(
    readonly channels: number,
    given: GatherExciteOptions = {},
  ) {
    super();
    this.options = options.complete('GatherExcite', given);
    const { mlp, norm, parameters } = this.options;
    requireConsistent(channels, this.options);
    const convs = parameters ? this.gatheringConvolutions() : [];
    this.convs = new ModuleList(convs);
    this.norms = new ModuleList(norm ? convs.map(() => new BatchNorm2d(channels)) : []);
    const hidden = hiddenChannels(channels, this.options);
    this.reduce = mlp ? new Conv2d(channels, hidden, 1) : undefined;
    this.expand = mlp ? new Conv2d(hidden, channels, 1) : undefined;
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== 4) throw shapeError('GatherExcite', [x], 'Expected [B, C, H, W].');
    const activate = ACTIVATIONS[this.options.activation];
    let gathered = this.options.parameters ? this.convolve(x) : this.pool(x);
    if (this.reduce && this.expand) {
      gathered = this.expand.forward(activate(this.reduce.forward(gathered)));
    }
    const factors = ACTIVATIONS[this.options.gate](gathered);
    const isOne = factors.dim(2) === 1 && factors.dim(3) === 1;
    const gate = isOne ? factors : factors.interpolate({ size: x.shape.slice(2) });
    return x.mul(isOne ? this.expose.channel(gate, 'gate') : this.expose.spatial(gate, 'gate'));
  }

  private pool(x: Tensor): Tensor {
    const { extent, maxPool } = this.options;
    // A window reaches e - 1 places to each side; what lies outside of the map does not count.
    const window = { stride: extent, padding: extent - 1 };
    const width = 2 * extent - 1;
    const mean =
      extent === 0 ? x.globalAvgPool() : x.avgPool(width, { ...window, countIncludePad: false });
    if (!maxPool) return mean;
    // timm takes amax for the whole map, which shares the gradient of equal elements, and a pool otherwise.
    const peak = extent === 0 ? x.max([2, 3], { keepDims: true }) : x.maxPool(width, window);
    return mean.add(peak).mul(0.5);
  }

  /** The one convolution of extent 0, as large as the map, so that it makes one number of it. */
  protected globalConvolution(kernel: readonly number[]): Conv2d {
    return new Conv2d(this.channels, this.channels, kernel, {
      groups: this.channels,
      bias: false,
    });
  }

  /** @throws ShapeError for a map of which the convolution of extent 0 makes more than one number */
  protected requireSize(x: Tensor): void {
    const [height, width] = perAxis(this.options.featureSize ?? 0, 2);
    if (x.dim(2) === height && x.dim(3) === width) return;
    throw shapeError('GatherExcite', [x], `Expected maps of the featureSize ${height} x ${width}.`);
  }

  private gatheringConvolutions(): Conv2d[] {
    const { channels } = this;
    const { extent, featureSize } = this.options;
    if (extent === 0) return [this.globalConvolution(perAxis(featureSize ?? 1, 2))];
    const halving = { groups: channels, bias: false, stride: 2, padding: 1 };
    return Array.from(
      { length: Math.log2(extent) },
      () => new Conv2d(channels, channels, 3, halving),
    );
  }

  private convolve(x: Tensor): Tensor {
    if (this.options.extent === 0) this.requireSize(x);
    const activate = ACTIVATIONS[this.options.activation];
    const norms = [...this.norms];
    return [...this.convs].reduce((value, conv, i) => {
      const active = i === 0 ? value : activate(value);
      const gathered = conv.forward(active);
      return norms[i]?.forward(gathered) ?? gathered;
    }, x);
  }
}

function requireConsistent(
  channels: number,
  { extent, parameters, featureSize, maxPool }: Complete,
): void {
  const refuse = (reason: string): never => {
    throw new RequestError(`GatherExcite(${channels}): ${reason}`);
  };
  if (parameters && extent > 0 && !Number.isInteger(Math.log2(extent))) {
    refuse(
      `convolutions halve the map, so with parameters the extent is 2, 4, 8, .., not ${extent}.`,
    );
  }
  if (parameters && extent === 0 && featureSize === null) {
    refuse('with parameters and extent 0 it needs featureSize, the height and width of its maps.');
  }
  if (parameters && maxPool) {
    refuse('with parameters nothing is pooled: choose maxPool: false or parameters: false.');
  }
}

/** As timm's make_divisible: to the nearest multiple, halves up, but at least one multiple. */
function hiddenChannels(
  channels: number,
  { hiddenChannels: given, hiddenRatio, hiddenDivisor }: Complete,
): number {
  if (given !== null) return given;
  const rounded = Math.floor(
    Math.floor(channels * hiddenRatio + hiddenDivisor / 2) / hiddenDivisor,
  );
  return Math.max(1, rounded) * hiddenDivisor;
}

export const gatherExcite = defineMechanism({
  id: 'gather-excite',
  title: 'Gather-Excite',
  domain: 'spatial',
  paper: 'Hu, Shen, Albanie, Sun and Vedaldi, NeurIPS 2018',
  year: 2018,
  arxiv: '1810.12348',
  options: options.shape,
  // Its convolution for extent 0 covers the whole map.
  optionsFor: (height, width, { parameters, extent = 0 }) =>
    parameters && extent === 0 ? { featureSize: [height, width] } : {},
  create: (channels, given) => new GatherExcite(channels, given),
});

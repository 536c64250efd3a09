import { RequestError } from '../../errors.js';
import { ModuleList } from '../../nn/layers/container.js';
import { Conv2d } from '../../nn/layers/conv.js';
import { BatchNorm2d } from '../../nn/layers/normalization.js';
import { Module } from '../../nn/module.js';
import { perAxis, shapeError, type PerAxis } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineMechanism } from '../entry.js';
import { requireChoice } from '../requirements.js';

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

/** Options of {@link GatherExcite}. */
export interface GatherExciteOptions {
  /** How many places a gathered one stands for, along each axis: an even number; 0 (default): all. */
  readonly extent?: number;
  /** Whether depthwise convolutions gather, instead of means. Default false. */
  readonly parameters?: boolean;
  /** H and W of the maps (one number if equal); needed with parameters and extent 0. Default null. */
  readonly featureSize?: PerAxis | null;
  /** Whether two 1x1 convolutions follow the gathering. Default true. */
  readonly mlp?: boolean;
  /** Hidden channels of the MLP as a share of the channels. Default 1/16. */
  readonly hiddenRatio?: number;
  /** Hidden channels of the MLP; null (default): by hiddenRatio and hiddenDivisor. */
  readonly hiddenChannels?: number | null;
  /** Rounds the hidden channels to the nearest multiple of this, at least one. Default 1. */
  readonly hiddenDivisor?: number;
  /** Whether the mean of average and maximum gathers, where there are no parameters. Default false. */
  readonly maxPool?: boolean;
  /** Whether a BatchNorm follows each gathering convolution. Default true. */
  readonly norm?: boolean;
  /** Between gathering convolutions, and inside the MLP. Default 'relu'. */
  readonly activation?: GatherExciteActivation;
  /** What turns gathered values into factors. Default 'sigmoid'. */
  readonly gate?: GatherExciteActivation;
  /** Whether the convolution of extent 0 is padded, as in timm and the seed. Default false. */
  readonly padGlobal?: boolean;
}

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
 * Seed 002 has timm's `GatherExcite`. Its convolution for extent 0 is padded by half of its kernel, so it
 * gives a map and not the one number per channel of the paper (`padGlobal: true` here); it ignores
 * `add_maxpool` where there are parameters, and rounds the number of convolutions down for extents
 * that are no power of two. Here the last two are errors.
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
  private readonly options: Required<GatherExciteOptions>;

  /** @throws RequestError for options that contradict each other or the channels */
  constructor(
    readonly channels: number,
    options: GatherExciteOptions = {},
  ) {
    super();
    this.options = { ...defaults, ...options };
    const { mlp, norm, parameters } = this.options;
    requireConsistent(channels, this.options);
    const convs = parameters ? gatheringConvolutions(channels, this.options) : [];
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
    return x.mul(this.expose('gate', gate));
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

  private convolve(x: Tensor): Tensor {
    const { extent, featureSize, padGlobal, activation } = this.options;
    const sizes = perAxis(featureSize ?? 0, 2);
    if (extent === 0 && !padGlobal && (x.dim(2) !== sizes[0] || x.dim(3) !== sizes[1])) {
      throw shapeError(
        'GatherExcite',
        [x],
        `Expected maps of the featureSize ${sizes.join(' x ')}.`,
      );
    }
    const norms = [...this.norms];
    return [...this.convs].reduce((value, conv, i) => {
      const active = i === 0 ? value : ACTIVATIONS[activation](value);
      const gathered = conv.forward(active);
      return norms[i]?.forward(gathered) ?? gathered;
    }, x);
  }
}

const defaults: Required<GatherExciteOptions> = {
  extent: 0,
  parameters: false,
  featureSize: null,
  mlp: true,
  hiddenRatio: 1 / 16,
  hiddenChannels: null,
  hiddenDivisor: 1,
  maxPool: false,
  norm: true,
  activation: 'relu',
  gate: 'sigmoid',
  padGlobal: false,
};

function requireConsistent(channels: number, options: Required<GatherExciteOptions>): void {
  const { extent, parameters, featureSize, maxPool, hiddenDivisor } = options;
  const refuse = (reason: string): never => {
    throw new RequestError(`GatherExcite(${channels}): ${reason}`);
  };
  if (!Number.isInteger(extent) || extent < 0 || extent % 2 !== 0) {
    refuse(`the extent must be 0 or an even number, not ${extent}.`);
  }
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
  if (!(hiddenDivisor >= 1)) refuse(`hiddenDivisor must be at least 1, not ${hiddenDivisor}.`);
  for (const name of ['activation', 'gate'] as const) {
    requireChoice('GatherExcite', name, options[name], Object.keys(ACTIVATIONS));
  }
}

/** As timm's make_divisible: to the nearest multiple, halves up, but at least one multiple. */
function hiddenChannels(
  channels: number,
  { hiddenChannels: given, hiddenRatio, hiddenDivisor }: Required<GatherExciteOptions>,
): number {
  if (given !== null) return given;
  const rounded = Math.floor(
    Math.floor(channels * hiddenRatio + hiddenDivisor / 2) / hiddenDivisor,
  );
  return Math.max(1, rounded) * hiddenDivisor;
}

function gatheringConvolutions(
  channels: number,
  { extent, featureSize, padGlobal }: Required<GatherExciteOptions>,
): Conv2d[] {
  const depthwise = { groups: channels, bias: false };
  if (extent === 0) {
    const kernel = perAxis(featureSize ?? 1, 2);
    const padding = padGlobal ? kernel.map((size) => Math.floor((size - 1) / 2)) : 0;
    return [new Conv2d(channels, channels, kernel, { ...depthwise, padding })];
  }
  return Array.from(
    { length: Math.log2(extent) },
    () => new Conv2d(channels, channels, 3, { ...depthwise, stride: 2, padding: 1 }),
  );
}

export const gatherExcite = defineMechanism({
  id: 'gather-excite',
  title: 'Gather-Excite',
  domain: 'spatial',
  paper: 'Hu, Shen, Albanie, Sun and Vedaldi, NeurIPS 2018',
  year: 2018,
  arxiv: '1810.12348',
  options: defaults,
  // Its convolution for extent 0 covers the whole map.
  optionsFor: (height, width, { parameters, extent = 0 } = {}) =>
    parameters && extent === 0 ? { featureSize: [height, width] } : {},
  create: (channels, options) => new GatherExcite(channels, options),
});

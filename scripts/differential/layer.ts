/** The counterpart of a layer that torch_side.py drew, built as a user of Fovea would. */
import type { PerAxis } from '../../src/index.js';
import * as nn from '../../src/nn/index.js';

/** What torch_side.py says of a case. */
export interface Case {
  readonly index: number;
  readonly kind: string;
  /** A class of torch.nn, with its arguments and options as PyTorch spells them. */
  readonly layer: string;
  readonly arguments: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it stands between convolutions whose channels fill blocks. */
  readonly blocks: boolean;
  /** Channels of these convolutions, and the layer's place among them. */
  readonly carriers: readonly number[];
  readonly position: number;
  readonly training: boolean;
  /** Mean of the input over its deviation. */
  readonly ratio: number;
  readonly shape: readonly number[];
  readonly torch: string;
  /** How far PyTorch in float32 is from float64 in each tensor, at most. */
  readonly torch_error: Readonly<Record<string, number>>;
  /** What half a unit in the last place of every input makes of each tensor, at most. */
  readonly condition: Readonly<Record<string, number>>;
}

/** Names that are not PyTorch's in camel case. */
const RENAMED: Readonly<Record<string, string>> = {
  scale_factor: 'scale',
  elementwise_affine: 'affine',
};

function camelCase(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      RENAMED[name] ?? name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}

/** Layers whose only options are arguments here, in this order. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  LeakyReLU: ['negative_slope'],
  ELU: ['alpha'],
  CELU: ['alpha'],
  Softplus: ['beta'],
  Hardtanh: ['min_val', 'max_val'],
  Softmax: ['dim'],
  LogSoftmax: ['dim'],
  GLU: ['dim'],
};

type Constructor = new (...args: unknown[]) => nn.Layer;

function layerOf({ layer, arguments: given, options, shape }: Case): nn.Layer {
  if (layer === 'Upsample') return new nn.Upsample(camelCase(options));
  const classes = nn as unknown as Readonly<Record<string, Constructor>>;
  const layerClass = classes[layer];
  if (layerClass === undefined) throw new Error(`Fovea has no layer ${layer}.`);
  const names = POSITIONAL[layer];
  if (names === undefined) return new layerClass(...given, camelCase(options));
  const values = names.map((name) => options[name]);
  // Ours counts axes from the front where PyTorch's default is the last.
  return new layerClass(...values.map((v, i) => (names[i] === 'dim' ? fromFront(v, shape) : v)));
}

function fromFront(axis: unknown, shape: readonly number[]): number {
  return Number(axis) < 0 ? Number(axis) + shape.length : Number(axis);
}

/** The layer, between 1x1 convolutions where the case has them. State_dict names are PyTorch's. */
export function networkOf(about: Case): nn.Sequential {
  const parts: nn.Layer[] = about.carriers.map(
    (channels) => new nn.Conv2d(channels, channels, 1 satisfies PerAxis),
  );
  parts.splice(about.position, 0, layerOf(about));
  return new nn.Sequential(...parts);
}

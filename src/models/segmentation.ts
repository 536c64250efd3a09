/** Networks that give a class to every pixel. */
import { parseChoice } from '../attention/choice.js';
import { attention } from '../attention/registry.js';
import { describeValue } from '../describe-value.js';
import { RequestError } from '../errors.js';
import { Sequential } from '../nn/layers/container.js';
import { Conv2d } from '../nn/layers/conv.js';
import { Module } from '../nn/module.js';
import { nameOf } from '../nn/outputs.js';
import { suggestion } from '../suggest.js';
import { Tensor } from '../tensor/tensor.js';
import { convNormRelu, Decoder, resizeTo, type FeatureEncoder } from './decoder.js';
import type { FusionChoice, MapsModule } from './fusion.js';
import { ResNet } from './resnet.js';

/**
 * What makes logits of the decoder's map:
 *
 * - `plain`: 3x3 convolution, BatchNorm, ReLU, and a 1x1 convolution to the classes;
 * - `danet-head`: the zoo's, with its two auxiliary outputs and its options, as `danet-head:dropout=0`;
 * - a function that makes a module of one's own: [B, channels, H, W] -> [B, classes, h, w], or a list
 *   of such with the auxiliary outputs behind the first.
 */
export type HeadChoice = string | ((channels: number, classes: number) => Module);

/** Options of {@link SegmentationNet}. */
export interface SegmentationNetOptions {
  /** Any ResNet with `classes: 0`, or another network of several scales. */
  readonly encoder: FeatureEncoder;
  /** Number of classes, the background included. */
  readonly classes: number;
  /** Default 'add'. */
  readonly fusion?: FusionChoice;
  /** Default 'plain'. */
  readonly head?: HeadChoice;
  /** Channels of all maps in the decoder. Default: those of the shallowest stage, but at least 32. */
  readonly decoderChannels?: number;
}

/** Logits of a network whose head has auxiliary outputs, each [B, K, H, W]: `output`, `aux1`, `aux2`, .. */
export interface SegmentationOutputs {
  readonly output: Tensor;
  readonly [auxiliary: string]: Tensor;
}

/**
 * Segmentation: an encoder, a decoder that merges its maps from deep to shallow, and a head.
 *
 *   maps     encoder.features(x)                 from shallow to deep
 *   map      decoder(maps)                       [B, D, H_0, W_0]    see Decoder
 *   logits   head(map), resized bilinearly       [B, K, H, W]
 *
 * Images may have any size that the encoder takes; odd sizes too, since maps are resized to each other.
 */
export class SegmentationNet extends Module {
  readonly encoder: FeatureEncoder;
  readonly decoder: Decoder;
  readonly head: MapsModule;
  /** Number of classes. */
  readonly classes: number;

  /** @throws RequestError for numbers that are no positive integers, an encoder with a classifier, and what the decoder or a head refuses */
  constructor({
    encoder,
    classes,
    fusion = 'add',
    head = 'plain',
    decoderChannels = Math.max(32, encoder.featureChannels[0] ?? 0),
  }: SegmentationNetOptions) {
    super();
    for (const [name, value] of Object.entries({ classes, decoderChannels })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RequestError(
          `The ${name} of a SegmentationNet must be a positive integer, not ${value}.`,
        );
      }
    }
    if (encoder instanceof ResNet && encoder.linear !== undefined) {
      throw new RequestError(
        'The encoder of a SegmentationNet has a classifier, which would never be used. Make it with classes: 0.',
      );
    }
    this.classes = classes;
    this.encoder = encoder;
    this.decoder = new Decoder(encoder, decoderChannels, fusion);
    this.head = createHead(head, decoderChannels, classes);
  }

  /**
   * @param x images [B, C, H, W]
   * @returns logits [B, K, H, W]; of a head with auxiliary outputs all of them, by name
   */
  override forward(x: Tensor): Tensor | SegmentationOutputs {
    const map = this.decoder.forward(this.encoder.features(x));
    const [logits, ...auxiliary] = this.logitsOf(map).map((one) => resizeTo(one, x.shape.slice(2)));
    if (logits === undefined) throw this.refusal('nothing');
    if (auxiliary.length === 0) return logits;
    return {
      output: logits,
      ...Object.fromEntries(auxiliary.map((one, i) => [`aux${i + 1}`, one])),
    };
  }

  private logitsOf(map: Tensor): Tensor[] {
    const returned = this.head.forward(map);
    const list: unknown[] = Array.isArray(returned) ? returned : [returned];
    return list.map((one) => {
      if (one instanceof Tensor && one.rank === 4 && one.dim(1) === this.classes) return one;
      throw this.refusal(one instanceof Tensor ? `[${one.shape.join(', ')}]` : describeValue(one));
    });
  }

  private refusal(given: string): RequestError {
    return new RequestError(
      `The head ${nameOf(this.head)} returned ${given}. Expected logits [B, ${this.classes}, h, w], or a list of them.`,
    );
  }
}

/**
 * Makes a segmentation network.
 * @example
 * const encoder = createModel('resnet20', { classes: 0 });
 * const net = segmentationNet({ encoder, classes: 11, fusion: 'msaa', head: 'danet-head' });
 * @throws RequestError see {@link SegmentationNet}
 */
export function segmentationNet(options: SegmentationNetOptions): SegmentationNet {
  const net = new SegmentationNet(options);
  net.assignPaths();
  return net;
}

/** The names that {@link HeadChoice} may have. */
export function listHeads(): string[] {
  return ['plain', 'danet-head'];
}

function createHead(choice: HeadChoice, channels: number, classes: number): MapsModule {
  if (typeof choice === 'function') {
    const made: unknown = choice(channels, classes);
    if (made instanceof Module) return made;
    throw new RequestError(
      `The function given as head must return a Module, not ${describeValue(made)}.`,
    );
  }
  const { id, options, stages } = parseChoice(choice);
  if (!listHeads().includes(id)) {
    throw new RequestError(`Unknown head '${id}'. ${suggestion(id, listHeads())}`);
  }
  const [option] = id === 'plain' ? Object.keys(options) : [];
  if (option !== undefined || stages !== undefined || 'classes' in options) {
    throw new RequestError(
      `The head '${choice}' names ${stages ? 'stages' : `'${option ?? 'classes'}'`}, which is not its to choose. Leave it out.`,
    );
  }
  return id === 'plain'
    ? new Sequential(convNormRelu(channels, channels, 3), new Conv2d(channels, classes, 1))
    : new SmallMapHead(attention.get(id).create(channels, { ...options, classes }));
}

/** 32 x 32. The position attention of a map of N places has N^2 numbers per image. */
const MOST_PLACES = 1024;

/**
 * A head for small maps. DANet has its head on maps of 1/8 of the image's size, while a decoder goes up to
 * the shallowest stage's. So a map of more than 1024 places is averaged down by the smallest whole factor
 * with which it has no more: at 224x224 by 7, and the images of 32x32 are seen whole.
 */
class SmallMapHead extends Module {
  constructor(readonly inner: MapsModule) {
    super();
  }

  override forward(x: Tensor): unknown {
    const [height = 1, width = 1] = x.shape.slice(2);
    let factor = 1;
    const shrunk = (size: number) => Math.ceil(size / factor);
    while (shrunk(height) * shrunk(width) > MOST_PLACES) factor++;
    const small = factor === 1 ? x : x.adaptiveAvgPool([shrunk(height), shrunk(width)]);
    return this.inner.forward(small);
  }
}

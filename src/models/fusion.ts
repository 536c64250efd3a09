/** What may stand where a decoder merges maps: the fusion mechanisms, by name or by a function. */
import { parseChoice } from '../attention/choice.js';
import { Mechanism, type MechanismChoice } from '../attention/mechanism.js';
import { attention } from '../attention/registry.js';
import { describeValue } from '../describe-value.js';
import { RequestError } from '../errors.js';
import { Conv2d } from '../nn/layers/conv.js';
import { GroupNorm, LayerNorm } from '../nn/layers/normalization.js';
import { Module, type Layer } from '../nn/module.js';
import { singleOutput } from '../nn/outputs.js';
import { concat } from '../ops/index.js';
import { suggestion } from '../suggest.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * How maps of one shape become one map of that shape:
 *
 * - `add`, their sum; `concat`, a 1x1 convolution of all their channels;
 * - a mechanism of several maps, as the zoo's `gated-fusion` (2), `msaa` (3) and `msf` (4);
 * - a mechanism of one map, as `mfe`, `safm`, `osra` or any attention: it refines the sum. `safm` and
 *   `osra` mix without keeping what they mix, so they stand as in their papers' blocks, s + M(norm s).
 *   The norm is SAFMN's LayerNorm over the channels of each place, and TransXNet's GroupNorm of one group;
 * - a function that makes a module of one's own. Its `inputs` is 2: the module's forward gets the
 *   encoder's map and the decoder's.
 *
 * - any of these mechanisms as a value, alone or with options.
 *
 * Options stand behind colons: `msaa:ratio=2`.
 */
export type FusionChoice =
  string | Mechanism | MechanismChoice | ((channels: number, inputs: number) => Module);

/** A module that takes maps; what it returns is checked by who calls it. */
export interface MapsModule extends Module {
  forward(...maps: Tensor[]): unknown;
}

/** A fusion as a merge uses it. */
export interface Fusion {
  /** forward: `inputs` maps [B, C, H, W] -> [B, C, H, W] */
  readonly module: MapsModule;
  readonly inputs: number;
}

/** A merge has the encoder's map and the decoder's; only mechanisms that want more are given more. */
const PAIR = 2;

/** Sum of maps. No parameters. */
export class AddFusion extends Module {
  override forward(...maps: Tensor[]): Tensor {
    return maps.reduce((sum, map) => sum.add(map));
  }
}

/** A 1x1 convolution of all maps' channels: `inputs` maps of C channels -> C. */
export class ConcatFusion extends Module {
  /** [C, inputs C, 1, 1] */
  readonly reduce: Conv2d;

  constructor(channels: number, inputs: number) {
    super();
    this.reduce = new Conv2d(inputs * channels, channels, 1);
  }

  override forward(...maps: Tensor[]): Tensor {
    return this.reduce.forward(concat(maps, 1));
  }
}

/** Refines the sum s of maps: M(s), or with a norm s + M(norm s). */
export class RefinedSum extends Module {
  constructor(
    readonly mechanism: Layer,
    readonly norm?: Layer,
  ) {
    super();
  }

  override forward(...maps: Tensor[]): Tensor {
    const sum = maps.reduce((total, map) => total.add(map));
    const refine = (x: Tensor) => singleOutput(this.mechanism, this.mechanism.forward(x));
    return this.norm ? sum.add(refine(this.norm.forward(sum))) : refine(sum);
  }
}

/** LayerNorm over the channels of each place: [B, C, H, W] -> same. */
class ChannelNorm extends Module {
  readonly norm: LayerNorm;

  constructor(channels: number) {
    super();
    this.norm = new LayerNorm(channels);
  }

  override forward(x: Tensor): Tensor {
    return this.norm.forward(x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2]);
  }
}

/** The norms of the blocks in which the papers have their mixers. */
const MIXER_NORMS = new Map<string, (channels: number) => Layer>([
  ['safm', (channels) => new ChannelNorm(channels)],
  ['osra', (channels) => new GroupNorm(1, channels)],
]);

/** All fusions that have a name. */
export function listFusions(): string[] {
  const fitting = attention.list().filter(({ keepsShape }) => keepsShape);
  return ['add', 'concat', ...fitting.map(({ id }) => id)];
}

/** How many maps a fusion of {@link listFusions} takes. */
export function inputsOfFusion(id: string): number {
  return attention.has(id) ? inputsOf(attention.get(id)) : PAIR;
}

function inputsOf({ inputs }: Mechanism): number {
  return Math.max(inputs, PAIR);
}

/**
 * Makes the fusion of one merge.
 * @param channels of every map
 * @param size height and width of the maps, for a mechanism that is made for maps of one size
 * @param available how many maps there are to merge
 * @throws RequestError for an unknown name or option, for a mechanism that does not give back a map, and
 *   for one that wants more maps than there are
 */
export function createFusion(
  choice: FusionChoice,
  channels: number,
  size: readonly [number, number],
  available: number,
): Fusion {
  if (typeof choice === 'function') return { module: madeBy(choice, channels), inputs: PAIR };
  const { id, options, stages } =
    typeof choice === 'string' ? parseChoice(choice) : valueOf(choice);
  if (stages !== undefined) {
    throw new RequestError(
      `The fusion '${id}' names stages, but a fusion stands at every merge. Leave them out.`,
    );
  }
  if (id === 'add' || id === 'concat') {
    const [option] = Object.keys(options);
    if (option !== undefined) {
      throw new RequestError(`The fusion '${id}' has no options, so no '${option}'.`);
    }
    return {
      module: id === 'add' ? new AddFusion() : new ConcatFusion(channels, PAIR),
      inputs: PAIR,
    };
  }
  const entry = typeof choice === 'string' ? fittingEntry(id) : requireMap(mechanismOf(choice));
  const inputs = inputsOf(entry);
  if (inputs > available) {
    throw new RequestError(
      `The fusion '${id}' takes ${inputs} maps, but a merge of this network has ${available}. Take an encoder of ${inputs - 1} or more stages, or another fusion.`,
    );
  }
  const sized = { ...entry.optionsFor(...size, options), ...options };
  const mechanism = entry.create(channels, sized);
  if (entry.inputs > 1) return { module: mechanism, inputs };
  const norm = MIXER_NORMS.get(id)?.(channels);
  return { module: new RefinedSum(mechanism as Layer, norm), inputs };
}

function fittingEntry(id: string): Mechanism {
  const entry = attention.list().find((candidate) => candidate.id === id);
  if (entry === undefined) {
    throw new RequestError(`Unknown fusion '${id}'. ${suggestion(id, listFusions())}`);
  }
  return requireMap(entry);
}

function requireMap(mechanism: Mechanism): Mechanism {
  if (mechanism.keepsShape) return mechanism;
  throw new RequestError(
    `'${mechanism.id}' does not give back a map of the shape that it was given, so it cannot merge maps. ${suggestion(mechanism.id, listFusions())}`,
  );
}

function mechanismOf(choice: Mechanism | MechanismChoice): Mechanism {
  return choice instanceof Mechanism ? choice : choice.mechanism;
}

/** A mechanism as it would be written. */
function valueOf(
  choice: Mechanism | MechanismChoice,
): Pick<MechanismChoice, 'id' | 'options' | 'stages'> {
  return choice instanceof Mechanism ? { id: choice.id, options: {} } : choice;
}

function madeBy(make: (channels: number, inputs: number) => Module, channels: number): MapsModule {
  if (make.prototype instanceof Module) {
    throw new RequestError(
      `The fusion is the class ${make.name}. Give a function that makes one: (channels) => new ${make.name}(channels).`,
    );
  }
  const made: unknown = make(channels, PAIR);
  if (made instanceof Module) return made;
  throw new RequestError(
    `The function given as fusion must return a Module, not ${describeValue(made)}.`,
  );
}

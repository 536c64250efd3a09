/** What is measured of the mechanisms, and the file that both sides of a case start from. */
import { attention, type AnyOptions } from '../src/attention/index.js';
import type { Module } from '../src/nn/module.js';
import { RandomStream } from '../src/random/index.js';
import { traceForward } from '../src/inspect/trace.js';
import { elementCount, type Shape } from '../src/tensor/shape.js';
import { saveTensors } from '../src/formats/node/files.js';
import type { StoredTensor } from '../src/formats/safetensors.js';

/** forward: in eval, with constant weights. backward: forward and all gradients, in training. */
export type MechanismKind = 'forward' | 'backward';

export interface MechanismCase {
  /** `mechanisms-se-64-forward`: what `--only` chooses by. */
  readonly id: string;
  /** The id in the registry. */
  readonly mechanism: string;
  readonly kind: MechanismKind;
  /** Of each map that it takes. */
  readonly shape: Shape;
  readonly inputs: number;
  /** Where they differ from the defaults; the PyTorch side takes the same. */
  readonly options: AnyOptions;
}

/** An early stage of a CIFAR network, and a late one of an ImageNet network. */
const SHAPES: readonly Shape[] = [
  [8, 64, 32, 32],
  [8, 256, 14, 14],
];

/**
 * Options other than the defaults, with the reason: dropout draws other numbers on the two sides;
 * the default sizes of SimpleViT, 84 million parameters, measure the memory and nothing else.
 */
const OPTIONS: Readonly<Record<string, AnyOptions>> = {
  'danet-head': { dropout: 0 },
  'simple-vit': { dim: 256, depth: 2, heads: 8, headDim: 32, mlpDim: 512 },
};

export const MECHANISM_CASES: readonly MechanismCase[] = attention.list().flatMap((entry) =>
  SHAPES.flatMap((shape) =>
    (['forward', 'backward'] as const).map((kind) => {
      const [, channels = 1, height = 1, width = 1] = shape;
      return {
        id: `mechanisms-${entry.id}-${channels}-${kind}`,
        mechanism: entry.id,
        kind,
        shape,
        inputs: entry.inputs,
        options: { ...entry.optionsFor(height, width), ...OPTIONS[entry.id] },
      };
    }),
  ),
);

/** The module of a case, without values. */
export function moduleOf({ mechanism, shape: [, channels = 1], options }: MechanismCase): Module {
  return attention.get(mechanism).create(channels, options);
}

/**
 * Writes the state_dict, the maps `input.<i>` and the weights `cotangent.<i>` with which the outputs
 * are summed. Parameters that start at zero are drawn too: they would hide what is behind them.
 */
export async function writeMechanismSetup(one: MechanismCase, file: string): Promise<void> {
  const module = moduleOf(one).initialize(1);
  const random = new RandomStream(1, 'bench mechanisms');
  const tensors = new Map<string, StoredTensor>();
  const put = (name: string, shape: Shape, data: Float32Array | Int32Array) => {
    if (data instanceof Float32Array) tensors.set(name, { dtype: 'F32', shape, data });
    else tensors.set(name, { dtype: 'I32', shape, data });
  };
  for (const [name, { shape, data }] of module.namedParameters()) {
    const drawn = data.some((value) => value !== 0);
    put(name, shape, drawn ? data : random.fillNormal(new Float32Array(data.length), 0, 0.5));
  }
  for (const [name, { shape, data }] of module.namedBuffers()) put(name, shape, data);
  const draw = (name: string, shape: Shape) => {
    put(name, shape, random.fillNormal(new Float32Array(elementCount(shape)), 0, 1));
  };
  const shapes = Array.from({ length: one.inputs }, () => one.shape);
  for (const [i, shape] of shapes.entries()) draw(`input.${i}`, shape);
  const { outputs } = traceForward(module, shapes);
  for (const [i, { shape }] of outputs.entries()) draw(`cotangent.${i}`, shape);
  await saveTensors(file, tensors);
}

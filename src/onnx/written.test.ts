/** What docs/engine.md says of the nodes that are written, where no other test holds it. */
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { batchNorm, input, type OpDeclaration } from '../ops/index.js';
import { createModel } from '../models/index.js';
import { sgd } from '../optim/index.js';
import { classification } from '../tasks/classification.js';
import { imagesLike } from '../testing/data-info.js';
import { trainingStep } from '../training/step.js';
import type { Provider } from '../tensor/op.js';
import type { Tensor } from '../tensor/tensor.js';
import { lowerToOnnx } from './lower.js';
import { ModelProtoSchema, type NodeProto } from './onnx_pb.js';

interface Written {
  readonly op: string;
  /** Integers of an attribute. */
  readonly ints: (name: string) => number[];
  readonly attributes: readonly string[];
}

function written(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  provider: Provider,
  block = 0,
): Written[] {
  const model = lowerToOnnx(
    {
      inputs: Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor])),
      outputs: Object.fromEntries(outputs.map((tensor, i) => [`y${i}`, tensor])),
    },
    { provider, block },
  );
  return nodesOf(model).map(describeNode);
}

function nodesOf(model: Uint8Array): NodeProto[] {
  return fromBinary(ModelProtoSchema, model).graph?.node ?? [];
}

function describeNode({ opType, domain, attribute }: NodeProto): Written {
  return {
    op: domain === '' ? opType : `blocked ${opType}`,
    ints: (name) => attribute.find((own) => own.name === name)?.ints.map(Number) ?? [],
    attributes: attribute.map(({ name }) => name),
  };
}

const ops = (nodes: readonly Written[]) => nodes.map(({ op }) => op);
const PROVIDERS: Provider[] = ['cpu', 'wasm', 'webgpu', 'cuda'];

describe('a whole training step', () => {
  const model = createModel('resnet20', { classes: 10, seed: 1, attention: 'cbam' });
  const { graph } = trainingStep(classification(), model, sgd(), imagesLike([3, 16, 16]), {
    batchSize: 2,
  });
  const outputs = [...Object.values(graph.outputs), ...Object.values(graph.next ?? {})];
  const inputs = [...Object.values(graph.inputs), ...Object.values(graph.state ?? {})];

  it.each(PROVIDERS)('for %s has explicit pads, and no training-mode BatchNormalization', (on) => {
    const nodes = written(outputs, inputs, on, on === 'cpu' ? 16 : 0);
    expect(nodes.length).toBeGreaterThan(500);
    expect(nodes.filter(({ attributes }) => attributes.includes('auto_pad'))).toEqual([]);
    expect(nodes.filter(({ attributes }) => attributes.includes('training_mode'))).toEqual([]);
  });

  it('has blocked nodes for a block of the CPU, and none for another device', () => {
    const blocked = (on: Provider, block: number) =>
      ops(written(outputs, inputs, on, block)).filter((op) => op.startsWith('blocked')).length;
    expect(blocked('cpu', 16)).toBeGreaterThan(100);
    expect(blocked('cpu', 0)).toBe(0);
    expect(blocked('webgpu', 0)).toBe(0);
  });
});

describe('gradients of a convolution, plainly', () => {
  const g = (y: Tensor) => input('g', y.shape);
  const x = input('x', [2, 4, 9, 9]);
  const w = input('w', [6, 4, 3, 3]);
  const of = (wanted: Tensor, options: Parameters<Tensor['conv']>[2], weight = w) => {
    const y = x.conv(weight, undefined, options);
    const cotangent = g(y);
    const [slope = y] = gradients(y, [wanted], [cotangent]);
    return written([slope], [x, weight, cotangent], 'cpu');
  };

  it("the weight's is one convolution, dilated by the stride and by the channels", () => {
    const conv = (stride: number) =>
      of(w, { stride, padding: 1 }).filter(({ op }) => op === 'Conv');
    expect(conv(1).map((node) => node.ints('dilations'))).toEqual([[1, 4]]);
    expect(conv(2).map((node) => node.ints('dilations'))).toEqual([[2, 8]]);
  });

  it("the weight's is a product with the windows where it is dilated or in groups", () => {
    const grouped = input('w', [6, 2, 3, 3]);
    for (const nodes of [of(w, { dilation: 2 }), of(grouped, { groups: 2 }, grouped)]) {
      expect(ops(nodes)).toContain('MatMul');
      expect(ops(nodes)).not.toContain('Conv');
    }
  });

  it("the input's is a convolution for stride 1, and a transposed one elsewhere", () => {
    expect(ops(of(x, { padding: 1 }))).toContain('Conv');
    expect(ops(of(x, { padding: 1 }))).not.toContain('ConvTranspose');
    expect(ops(of(x, { padding: 1, stride: 2 }))).toContain('ConvTranspose');
  });
});

it('in blocks the gradient of a convolution with stride 2 is four small ones', () => {
  const x = input('x', [2, 16, 8, 8]);
  const w = input('w', [16, 16, 3, 3]);
  const y = x.tanh().conv(w, undefined, { stride: 2, padding: 1 });
  const g = input('g', y.shape);
  const [slope = y] = gradients(y, [y.inputs[0] ?? x], [g.conv(input('k', [16, 16, 1, 1]))]);
  const k = slope.inputs[0]?.inputs[1];
  const convs = written([slope], [x, w, g, ...(k ? [k] : [])], 'cpu', 16).filter(
    ({ op, ints }) => op === 'blocked Conv' && ints('kernel_shape').join() !== '1,1',
  );
  // A 3x3 kernel falls into 1x1 (the one left out above), 1x2, 2x1 and 2x2.
  expect(convs.map((node) => node.ints('kernel_shape').join('x')).sort()).toEqual([
    '1x2',
    '2x1',
    '2x2',
  ]);
});

describe('on WebGPU', () => {
  it('LogSoftmax is written out', () => {
    const x = input('x', [2, 5]);
    expect(ops(written([x.logSoftmax(1)], [x], 'cpu'))).toEqual(['LogSoftmax']);
    expect(ops(written([x.logSoftmax(1)], [x], 'webgpu'))).not.toContain('LogSoftmax');
  });

  it('transposed convolutions of three dimensions, and in uneven groups, are convolutions', () => {
    const [x, w] = [input('x', [1, 4, 3, 3, 3]), input('w', [4, 2, 2, 2, 2])];
    const [x2, w2] = [input('x', [1, 4, 3, 3]), input('w', [4, 1, 2, 2])];
    for (const [y, inputs] of [
      [x.convTranspose(w), [x, w]],
      [x2.convTranspose(w2, undefined, { groups: 2, stride: 2 }), [x2, w2]],
    ] as const) {
      expect(ops(written([y], inputs, 'webgpu'))).not.toContain('ConvTranspose');
    }
  });

  it('a convolution of three dimensions in groups is written group by group', () => {
    const [x, w] = [input('x', [1, 4, 3, 3, 3]), input('w', [6, 2, 2, 2, 2])];
    const count = (on: Provider) =>
      ops(written([x.conv(w, undefined, { groups: 2 })], [x, w], on)).filter((op) => op === 'Conv')
        .length;
    expect([count('cpu'), count('webgpu')]).toEqual([1, 2]);
  });

  it('nothing looks for NaN, which is lost there', () => {
    const x = input('x', [2, 5]);
    expect(ops(written([x.max(1)], [x], 'cpu'))).toContain('IsNaN');
    expect(ops(written([x.max(1)], [x], 'webgpu'))).toEqual(['ReduceMax']);
  });
});

it('batch normalisation shifts a small map by the mean of all of it, a large one by that of an eighth', () => {
  const sliced = (side: number) => {
    const x = input('x', [4, 4, side, side]);
    const [w, b] = [input('w', [4]), input('b', [4])];
    return ops(written([batchNorm(x, w, b).output], [x, w, b], 'cpu')).includes('Slice');
  };
  expect([sliced(31), sliced(32)]).toEqual([false, true]);
});

it('an op without one of its rules does not compile', () => {
  type Declaration = OpDeclaration<'x', object>;
  // Looked at by the type check of the tests.
  expectTypeOf<Omit<Declaration, 'dtype'>>().toExtend<Declaration>();
  expectTypeOf<Omit<Declaration, 'gradient'>>().not.toExtend<Declaration>();
  expectTypeOf<Omit<Declaration, 'lower'>>().not.toExtend<Declaration>();
  expectTypeOf<Omit<Declaration, 'reference'>>().not.toExtend<Declaration>();
  expectTypeOf<Omit<Declaration, 'shape'>>().not.toExtend<Declaration>();
});

import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff/gradients.js';
import { FoveaError } from '../errors.js';
import { batchNorm, input } from '../ops/index.js';
import { runOnnx } from '../testing/check-lowering.node.js';
import { ndarray } from '../tensor/ndarray.js';
import { withScope } from '../tensor/scope.js';
import { lowerToOnnx } from './lower.js';
import { ModelProtoSchema } from './onnx_pb.js';

const x = input('x', [2, 3]);
const y = x.relu().add(1);
const parse = (bytes: Uint8Array) => fromBinary(ModelProtoSchema, bytes);

describe('lowerToOnnx', () => {
  it('writes a model that ONNX Runtime loads and runs', async () => {
    const model = lowerToOnnx(
      { inputs: { image: x }, outputs: { result: y } },
      { provider: 'cpu' },
    );
    const { result } = await runOnnx(model, { image: ndarray([2, 3], [-1, 0, 1, 2, -3, 4]) });
    expect(result?.shape).toEqual([2, 3]);
    expect(Array.from(result?.data ?? [])).toEqual([1, 1, 2, 3, 1, 5]);
  });

  it('names inputs and outputs as asked, with their shapes, and stores metadata', () => {
    const model = parse(
      lowerToOnnx(
        { inputs: { image: x }, outputs: { result: y } },
        { provider: 'cpu', name: 'tiny', metadata: { fovea: '1' } },
      ),
    );
    const ends = [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])];
    expect(ends.map(({ name }) => name)).toEqual(['image', 'result']);
    expect(ends[0]?.type?.value.value?.shape?.dim.map((d) => d.value.value)).toEqual([2n, 3n]);
    expect(model.graph?.name).toBe('tiny');
    expect(model.metadataProps.map(({ key, value }) => [key, value])).toEqual([['fovea', '1']]);
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([['', 17n]]);
  });

  it('writes what several outputs share once', () => {
    const shared = () => x.exp();
    const model = parse(
      lowerToOnnx(
        { inputs: { x }, outputs: { a: shared().add(1), b: shared().mul(2) } },
        { provider: 'cpu' },
      ),
    );
    expect(model.graph?.node.filter(({ opType }) => opType === 'Exp')).toHaveLength(1);
  });

  it('leaves out what no output needs', () => {
    const model = parse(
      lowerToOnnx({ inputs: { x }, outputs: { z: x.neg() } }, { provider: 'cpu' }),
    );
    expect(model.graph?.node.map(({ opType }) => opType)).toEqual(['Neg']);
  });

  it('puts the module path into the names of nodes', () => {
    const z = withScope('stem.act', () => x.relu());
    const model = parse(lowerToOnnx({ inputs: { x }, outputs: { z } }, { provider: 'cpu' }));
    expect(model.graph?.node[0]?.name).toMatch(/^stem\/act\/Relu_/);
  });

  it('takes an output that is an input, and one tensor under two names', async () => {
    const model = lowerToOnnx({ inputs: { x }, outputs: { a: x, b: x } }, { provider: 'cpu' });
    const { a, b } = await runOnnx(model, { x: ndarray([2, 3], [1, 2, 3, 4, 5, 6]) });
    expect([a?.data[5], b?.data[5]]).toEqual([6, 6]);
  });

  it('takes inputs named as its own values would be', async () => {
    const [a, b] = [input('a', [1]), input('b', [1])];
    const graph = {
      inputs: { constant_0: a, Add_1: b },
      outputs: { weight_0: a.add(1).mul(b) },
    };
    const model = lowerToOnnx(graph, { provider: 'cpu' });
    const feeds = { constant_0: ndarray([1], [2]), Add_1: ndarray([1], [5]) };
    const { weight_0: result } = await runOnnx(model, feeds);
    expect(result?.data[0]).toBe(15);
  });

  it('makes weights part of the graph when they are constants', async () => {
    const w = input('w', [3]);
    const model = lowerToOnnx(
      {
        inputs: { x },
        outputs: { z: x.mul(w) },
        constants: new Map([[w, new Float32Array([1, 10, 100])]]),
      },
      { provider: 'cpu' },
    );
    const { z } = await runOnnx(model, { x: ndarray([2, 3], [1, 2, 3, 4, 5, 6]) });
    expect(Array.from(z?.data ?? [])).toEqual([1, 20, 300, 4, 50, 600]);
  });

  it('refuses an output that depends on an input not listed, by name', () => {
    const hidden = input('temperature', []);
    expect(() =>
      lowerToOnnx({ inputs: { x }, outputs: { z: x.div(hidden) } }, { provider: 'cpu' }),
    ).toThrow("The graph uses the input 'temperature', which was not listed");
  });

  it('refuses an input and an output of one name', () => {
    const lower = () => lowerToOnnx({ inputs: { x }, outputs: { x: y } }, { provider: 'cpu' });
    expect(lower).toThrow(FoveaError);
    expect(lower).toThrow("Both an input and an output are called 'x'");
  });

  it('refuses a constant with another number of values', () => {
    const graph = { inputs: {}, outputs: { y }, constants: new Map([[x, new Float32Array(5)]]) };
    expect(() => lowerToOnnx(graph, { provider: 'cpu' })).toThrow(
      '5 values were given for Tensor(input',
    );
  });

  it('emits batch statistics once for a normalisation and its gradient', () => {
    const [image, w, b] = [input('image', [4, 2, 3, 3]), input('w', [2]), input('b', [2])];
    const z = batchNorm(image, w, b).output;
    const [slope] = gradients(z.square().sum(), [image]);
    const model = parse(
      lowerToOnnx(
        { inputs: { image, w, b }, outputs: { z, ...(slope && { slope }) } },
        { provider: 'webgpu' },
      ),
    );
    const kinds = model.graph?.node.map(({ opType }) => opType) ?? [];
    expect(kinds.filter((kind) => kind === 'Sqrt')).toHaveLength(1);
  });
});

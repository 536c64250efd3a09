import { describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../errors.js';
import { BatchNorm1d, Linear } from '../nn/layers/index.js';
import { Module } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';
import { loadWeights } from './load.js';
import type { StoredTensor } from '../formats/safetensors.js';

class Net extends Module {
  readonly fc = new Linear(2, 3);
  readonly bn = new BatchNorm1d(3);
  readonly head = new Linear(3, 2);

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.bn.forward(this.fc.forward(x)));
  }
}

/** The tensors of a network, as a file has them. */
function tensorsOf(model: Module, rename = (name: string) => name): Map<string, StoredTensor> {
  return new Map(
    [...model.stateDict()].map(([name, { shape, data }]) => [
      rename(name),
      data instanceof Float32Array
        ? { dtype: 'F32', shape, data }
        : { dtype: 'I64', shape, data: BigInt64Array.from(data, BigInt) },
    ]),
  );
}

const trained = new Net().initialize(5);
const load = (
  tensors: Map<string, StoredTensor>,
  options?: Parameters<typeof loadWeights>[3],
  notes: string[] = [],
  leftOut: readonly string[] = [],
) => loadWeights(new Net(), { tensors, leftOut }, 'w.pt', options, (note) => notes.push(note));

describe('loadWeights', () => {
  it('loads names that fit, and says nothing', () => {
    const notes: string[] = [];
    expect(load(tensorsOf(trained), {}, notes).stateDict()).toEqual(trained.stateDict());
    expect(notes).toEqual([]);
  });

  it.each(['module.', '_orig_mod.', 'model.', 'module.module.', 'module._orig_mod.'])(
    'takes %s away from every name, and says so',
    (prefix) => {
      const notes: string[] = [];
      const wrapped = tensorsOf(trained, (name) => `${prefix}${name}`);
      expect(load(wrapped, {}, notes).stateDict()).toEqual(trained.stateDict());
      expect(notes).toEqual([`w.pt: took ${prefix} away from the names of the weights`]);
    },
  );

  it('takes the prefix that it is told from the names that have it', () => {
    const tensors = tensorsOf(trained, (name) => `net.${name}`);
    expect(load(tensors, { prefix: 'net' }).stateDict()).toEqual(trained.stateDict());
    expect(() => load(tensors, { prefix: 'nit' })).toThrow(RequestError);
    expect(() => load(tensors, { prefix: 'nit' })).toThrow(/No name begins with 'nit\.'.*'net\./);
  });

  it('translates names after that', () => {
    const tensors = tensorsOf(trained, (name) => `module.${name.replace('head', 'classifer')}`);
    const options = { prefix: 'module', names: { classifer: 'head' } };
    expect(load(tensors, options).stateDict()).toEqual(trained.stateDict());
  });

  it('widens types that a network does not compute in', () => {
    const tensors = tensorsOf(trained);
    tensors.set('head.bias', { dtype: 'U64', shape: [2], data: BigUint64Array.of(3n, 4n) });
    tensors.set('fc.bias', { dtype: 'I8', shape: [3], data: Int8Array.of(-1, 0, 1) });
    const state = load(tensors).stateDict();
    expect(state.get('head.bias')?.data).toEqual(Float32Array.of(3, 4));
    expect(state.get('fc.bias')?.data).toEqual(Float32Array.of(-1, 0, 1));
  });

  it('refuses types that are no numbers of a network', () => {
    const tensors = tensorsOf(trained);
    tensors.set('head.bias', { dtype: 'C64', shape: [2], data: new Uint8Array(16) });
    expect(() => load(tensors)).toThrow(/'head\.bias' is of the type C64.*--leave-out/);
  });

  it('says what does not fit, a kind a line, and what would help', () => {
    const tensors = tensorsOf(trained);
    tensors.set('n_averaged', { dtype: 'I64', shape: [], data: BigInt64Array.of(1n) });
    expect(() => load(tensors)).toThrow(FileError);
    expect(() => load(tensors)).toThrow(
      [
        'w.pt: The weights do not fit the model:',
        '  unknown (1): n_averaged',
        "Check --model and --attention; or, if the network can do without them: --leave-out 'n_averaged'.",
      ].join('\n'),
    );
    tensors.delete('n_averaged');
    tensors.delete('fc.weight');
    expect(() => load(tensors)).toThrow(/missing \(1\): fc\.weight\nThe network has parts that/);
    expect(() => load(tensors, {}, [], ['ema (8 tensors)', 'epoch (nothing)'])).toThrow(
      /other parts, which --part chooses: ema \(8 tensors\)\.\n/,
    );
  });

  it('tells another number of classes from another network', () => {
    const tensors = tensorsOf(trained);
    tensors.set('head.weight', { dtype: 'F32', shape: [10, 3], data: new Float32Array(30) });
    tensors.set('head.bias', { dtype: 'F32', shape: [10], data: new Float32Array(10) });
    expect(() => load(tensors)).toThrow(
      /of another shape \(2\): .*\n.* network with 10 classes, this one has 2: choose a data set/,
    );
    tensors.set('fc.weight', { dtype: 'F32', shape: [3, 9], data: new Float32Array(27) });
    expect(() => load(tensors)).toThrow(/The network is of another size/);
  });

  it('cuts long lists', () => {
    const other = new Map<string, StoredTensor>();
    for (let i = 0; i < 90; i++) {
      other.set(`layer.${i}.weight`, { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    }
    expect(() => load(other)).toThrow(/unknown \(90\): (layer\.\d\.weight, ){5}and 85 more\n/);
    expect(() => load(other)).toThrow(/names are those of another network/);
  });
});

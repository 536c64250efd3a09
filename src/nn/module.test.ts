import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { input } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { record } from './context.js';
import { BatchNorm1d, Linear, Sequential } from './layers/index.js';
import { Module, type StateEntry } from './module.js';
import { Parameter } from './parameter.js';

class Net extends Module {
  readonly body = new Sequential(new Linear(3, 4), new BatchNorm1d(4));
  readonly head = new Linear(4, 2, { bias: false });

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.expose.other(this.body.forward(x), 'features'));
  }
}

function changed(change: (state: Map<string, StateEntry>) => void): Map<string, StateEntry> {
  const state = new Net().initialize(2).stateDict();
  change(state);
  return state;
}

describe('Module', () => {
  it('finds its parameters and buffers by their paths', () => {
    expect([...new Net().stateDict().keys()]).toEqual([
      'body.0.weight',
      'body.0.bias',
      'body.1.weight',
      'body.1.bias',
      'head.weight',
      'body.1.running_mean',
      'body.1.running_var',
      'body.1.num_batches_tracked',
    ]);
    expect(new Net().parameterCount()).toBe(12 + 4 + 4 + 4 + 8);
  });

  it('gives back the state that it was given', () => {
    const state = new Net().initialize(7).stateDict();
    expect(new Net().loadStateDict(state).stateDict()).toEqual(state);
  });

  it('refuses a state with a name missing, unknown or of another shape, and changes nothing', () => {
    const net = new Net().initialize(1);
    const before = net.stateDict();
    const wrong = changed((state) => {
      state.delete('head.weight');
      state.set('tail.weight', { shape: [1], data: Float32Array.of(0) });
      state.set('body.0.bias', { shape: [5], data: new Float32Array(5) });
    });
    const load = () => net.loadStateDict(wrong);
    expect(load).toThrow(RequestError);
    expect(load).toThrow(
      [
        'The weights do not fit the model:',
        '  missing (1): head.weight',
        '  unknown (1): tail.weight',
        '  of another shape (1): body.0.bias is [5], expected [4]',
      ].join('\n'),
    );
    expect(net.stateDict()).toEqual(before);
  });

  it('loads what fits when it need not be strict', () => {
    const state = changed((all) => all.delete('head.weight'));
    const net = new Net().initialize(1);
    const head = net.stateDict().get('head.weight');
    net.loadStateDict(state, { strict: false });
    expect(net.stateDict().get('head.weight')).toEqual(head);
    expect(net.stateDict().get('body.0.weight')).toEqual(state.get('body.0.weight'));
  });

  it('takes files without counts of batches, which older PyTorch wrote', () => {
    const state = changed((all) => all.delete('body.1.num_batches_tracked'));
    const loaded = new Net().loadStateDict(state).stateDict();
    expect(loaded.get('body.1.num_batches_tracked')?.data).toEqual(BigInt64Array.of(0n));
  });

  it('tells tensors and exposed maps the path of the module that made them', () => {
    const net = new Net();
    net.assignPaths('net');
    const { output, record: left } = record(true, () => net.forward(input('x', [5, 3])));
    expect(output.scope).toBe('net.head');
    expect([...left.exposed.keys()]).toEqual(['net.features']);
    expect(left.updates.size).toBe(3);
  });

  it('does not record a forward pass inside another', () => {
    const nested = () => record(true, () => record(false, () => 1));
    expect(nested).toThrow(/inside another/);
    // The failed one does not stay behind.
    expect(record(false, () => 2).output).toBe(2);
  });
});

describe('a parameter', () => {
  it('that nothing can hold is refused before it is drawn', () => {
    const act = () => new Parameter([2 ** 16, 2 ** 16], () => undefined);
    expect(act).toThrow(RequestError);
    expect(act).toThrow('[65536, 65536] would have 4294967296 values; at most 1073741824 are held');
  });
});

import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { traceForward } from '../inspect/trace.js';
import type { Tensor } from '../tensor/tensor.js';
import { Conv2d, Identity, Sequential } from './layers/index.js';
import { Module, type Layer } from './module.js';

/** A layer whose forward is a property. */
class Arrow extends Module {
  readonly conv = new Conv2d(3, 4, 1);
  override forward = (x: Tensor): Tensor =>
    this.expose.other(this.conv.forward(x), 'features').relu();
}

/** A layer that returns something. */
function returning(value: unknown): Layer {
  class Odd extends Module {
    override forward(): Tensor {
      return value as Tensor;
    }
  }
  return new Odd();
}

describe('the forward of a module', () => {
  it('may be a property that holds a function: it has a scope like any other', () => {
    const { outputs, exposed } = traceForward(new Sequential(new Identity(), new Arrow()), [
      [2, 3, 5, 5],
    ]);
    expect(outputs.map(({ shape, scope }) => [shape, scope])).toEqual([[[2, 4, 5, 5], '1']]);
    expect([...exposed.keys()]).toEqual(['1.features']);
    expect(exposed.get('1.features')?.scope).toBe('1.conv');
  });

  it('may be replaced after it was traced', () => {
    const arrow = new Arrow();
    const shapes = () => traceForward(arrow, [[1, 3, 2, 2]]).outputs.map(({ shape }) => shape);
    expect(shapes()).toEqual([[1, 4, 2, 2]]);
    arrow.forward = (x) => x;
    expect(shapes()).toEqual([[1, 3, 2, 2]]);
  });

  it.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /^0 \(Odd\)\.forward returned undefined instead of a Tensor\.$/],
    ['null', null, /returned null instead/],
    ['a number', 3, /returned the number 3 instead/],
    ['a text', 'x', /returned the text 'x' instead/],
    ['a function', () => 3, /returned a function instead/],
    ['a promise', Promise.resolve(3), /returned a Promise instead of a Tensor\. .*no async/],
    [
      'a list, where one tensor is wanted',
      [],
      /0 \(Odd\)\.forward returned an Array, where one Tensor/,
    ],
    [
      'an object, where one tensor is wanted',
      {},
      /returned an Object, where one Tensor is expected/,
    ],
  ])('may not return %s', (_, value, message) => {
    const act = () => traceForward(new Sequential(returning(value), new Identity()), [[1, 2]]);
    expect(act).toThrow(RequestError);
    expect(act).toThrow(message);
  });

  it('is missed in words where there is none', () => {
    const none = new Arrow();
    Object.assign(none, { forward: undefined });
    expect(() => traceForward(new Sequential(none), [[1, 3, 2, 2]])).toThrow(
      '0 (Arrow) has no forward, the function that builds its part of the graph.',
    );
  });
});

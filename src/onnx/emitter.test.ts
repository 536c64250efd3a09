import { describe, expect, it } from 'vitest';
import { GraphEmitter, rawBytes } from './emitter.js';

describe('GraphEmitter', () => {
  it('writes an identical node once', () => {
    const emit = new GraphEmitter('cpu');
    const first = emit.node('Relu', ['x']);
    expect(emit.node('Relu', ['x'])).toBe(first);
    expect(emit.nodes).toHaveLength(1);
  });

  it.each<[string, (emit: GraphEmitter) => string]>([
    ['another op', (emit) => emit.node('Neg', ['x', 'y'], { axis: 1 })],
    ['other inputs', (emit) => emit.node('Add', ['y', 'x'], { axis: 1 })],
    ['a name with a comma', (emit) => emit.node('Add', ['x,y'], { axis: 1 })],
    ['other attributes', (emit) => emit.node('Add', ['x', 'y'], { axis: 2 })],
    ['a float attribute', (emit) => emit.node('Add', ['x', 'y'], { axis: { float: 1 } })],
    ['another domain', (emit) => emit.node('Add', ['x', 'y'], { axis: 1 }, 'com.microsoft')],
  ])('keeps apart nodes with %s', (_, other) => {
    const emit = new GraphEmitter('cpu');
    const first = emit.node('Add', ['x', 'y'], { axis: 1 });
    expect(other(emit)).not.toBe(first);
    expect(emit.nodes).toHaveLength(2);
  });

  it('keeps apart attributes that JSON would write alike', () => {
    const emit = new GraphEmitter('cpu');
    const values = [NaN, Infinity, -Infinity].map((float) =>
      emit.node('LeakyRelu', ['x'], { alpha: { float } }),
    );
    expect(new Set(values).size).toBe(3);
  });

  it('writes an identical small constant once, and keeps -0, other shapes and other types apart', () => {
    const emit = new GraphEmitter('cpu');
    const zero = emit.constant([0], [], 'float32');
    expect(emit.constant(new Float32Array([0]), [], 'float32')).toBe(zero);
    const others = [
      emit.constant([-0], [], 'float32'),
      emit.constant([0], [1], 'float32'),
      emit.constant([0], [], 'int32'),
    ];
    expect(new Set([zero, ...others]).size).toBe(4);
    expect(emit.initializers).toHaveLength(4);
  });

  it('names nodes by the path of their module', () => {
    const emit = new GraphEmitter('cpu');
    emit.scope = 'layer1.0.conv1';
    expect(emit.node('Conv', ['x', 'w'])).toMatch(/^layer1\/0\/conv1\/Conv_\d+$/);
  });

  it('gives no value a name that the caller has taken', () => {
    const emit = new GraphEmitter('cpu', new Set(['constant_0', 'Relu_2']));
    expect(emit.constant([1], [], 'float32')).toBe('constant_1');
    expect(emit.node('Relu', ['x'])).toBe('Relu_3');
  });

  it('refuses a fraction as an integer attribute', () => {
    expect(() => new GraphEmitter('cpu').node('LeakyRelu', ['x'], { alpha: 0.1 })).toThrow(
      'The ONNX attribute alpha = 0.1 is a float; write {float: 0.1}.',
    );
  });

  it('writes every kind of attribute', () => {
    const emit = new GraphEmitter('cpu');
    emit.node('Any', [], { i: 3, is: [1, -2], f: { float: 0.5 }, s: 'é' });
    const [node] = emit.nodes;
    expect(node?.attribute.map(({ name, i, ints, f }) => [name, i, ints, f])).toEqual([
      ['i', 3n, [], 0],
      ['is', 0n, [1n, -2n], 0],
      ['f', 0n, [], 0.5],
      ['s', 0n, [], 0],
    ]);
    expect(new TextDecoder().decode(node?.attribute[3]?.s)).toBe('é');
  });
});

describe('rawBytes', () => {
  it.each([
    ['float32', [1, -2], [0, 0, 128, 63, 0, 0, 0, 192]],
    ['int32', [1, -2], [1, 0, 0, 0, 254, 255, 255, 255]],
    ['int64', [258], [2, 1, 0, 0, 0, 0, 0, 0]],
    ['bool', [1, 0], [1, 0]],
  ] as const)('stores %s little-endian', (dtype, values, bytes) => {
    expect(Array.from(rawBytes(values, dtype))).toEqual(bytes);
  });

  it('reads no more of a buffer than the view shows', () => {
    const view = new Float32Array([7, 1, 7]).subarray(1, 2);
    expect(Array.from(rawBytes(view, 'float32'))).toEqual([0, 0, 128, 63]);
  });
});

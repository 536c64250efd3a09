/**
 * Sine and cosine as ONNX nodes. WebGPU promises no more than 2^-11 for its own (SwiftShader is off
 * by 7e-5), so there they are made of a polynomial; the other providers' are exact to the last digits.
 */
import type { Emitter, Value } from '../tensor/op.js';

/** Pi in two parts, the first with so few bits that its products with whole numbers are exact. */
const PI_HIGH = 3.140625;
const PI_LOW = Math.PI - PI_HIGH;

export function lowerSine(emit: Emitter, x: Value): Value {
  if (emit.provider !== 'webgpu') return emit.node('Sin', [x]);
  const { number, calculate } = on(emit);
  const turns = emit.node('Floor', [
    calculate('Add', calculate('Mul', x, number(1 / Math.PI)), number(0.5)),
  ]);
  return calculate('Mul', sign(emit, turns), sineNearZero(emit, reduce(emit, x, turns)));
}

/** With n the whole half turns below x, cos x = -(-1)^n sin(x - n pi - pi/2). */
export function lowerCosine(emit: Emitter, x: Value): Value {
  if (emit.provider !== 'webgpu') return emit.node('Cos', [x]);
  const { number, calculate } = on(emit);
  const turns = emit.node('Floor', [calculate('Mul', x, number(1 / Math.PI))]);
  const rest = calculate('Sub', reduce(emit, x, turns), number(Math.PI / 2));
  return emit.node('Neg', [calculate('Mul', sign(emit, turns), sineNearZero(emit, rest))]);
}

function on(emit: Emitter) {
  return {
    number: (value: number) => emit.constant([value], [], 'float32'),
    calculate: (op: 'Add' | 'Sub' | 'Mul', a: Value, b: Value) => emit.node(op, [a, b]),
  };
}

/** x - n pi. */
function reduce(emit: Emitter, x: Value, turns: Value): Value {
  const { number, calculate } = on(emit);
  const coarse = calculate('Sub', x, calculate('Mul', turns, number(PI_HIGH)));
  return calculate('Sub', coarse, calculate('Mul', turns, number(PI_LOW)));
}

/** (-1)^n = 1 - 2 (n - 2 floor(n / 2)). */
function sign(emit: Emitter, turns: Value): Value {
  const { number, calculate } = on(emit);
  const pairs = emit.node('Floor', [calculate('Mul', turns, number(0.5))]);
  const odd = calculate('Sub', turns, calculate('Mul', pairs, number(2)));
  return calculate('Sub', number(1), calculate('Mul', odd, number(2)));
}

/** Taylor's polynomial of degree 11, within 6e-8 on -pi/2 .. pi/2, by Horner's rule. */
function sineNearZero(emit: Emitter, r: Value): Value {
  const { number, calculate } = on(emit);
  const square = calculate('Mul', r, r);
  let sum = number(-1 / 39916800);
  for (const coefficient of [1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1]) {
    sum = calculate('Add', calculate('Mul', sum, square), number(coefficient));
  }
  return calculate('Mul', r, sum);
}

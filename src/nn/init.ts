/** PyTorch's initialisation distributions. */
import { elementCount, type Shape } from '../tensor/shape.js';
import type { Initializer } from './parameter.js';

/** Every value the same. */
export function constantInit(value: number): Initializer {
  return (values) => void values.fill(value);
}

/** Uniform in [-bound, bound). */
export function uniformInit(bound: number): Initializer {
  return (values, random) => random.fillUniform(values, -bound, bound);
}

/** Normal with mean 0. */
export function normalInit(std: number): Initializer {
  return (values, random) => random.fillNormal(values, 0, std);
}

/**
 * Inputs that feed one output of a weight [O, C, ..K]: C times the kernel's size.
 * For torch's default (Kaiming uniform with a = sqrt 5) the bound is 1 / sqrt(fan in), for weights and biases alike.
 */
export function fanIn(weight: Shape): number {
  return elementCount(weight.slice(1));
}

/** He et al. 2015 for ReLU networks, fan-out mode: normal with std sqrt(2 / (O * kernel size)). */
export function kaimingNormalFanOut(weight: Shape): Initializer {
  return normalInit(Math.sqrt(2 / ((weight[0] ?? 1) * elementCount(weight.slice(2)))));
}

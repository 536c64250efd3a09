import type { Optimizer } from './optimizer.js';
import { need, needSlot, requireRange } from './rule.js';

export interface AdamWOptions {
  /** Decay of the running means of the gradient and of its square. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** Share of the parameter, times the learning rate, taken away in each step. Default 0.01. */
  readonly weightDecay?: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101), as torch.optim.AdamW:
 *
 *   parameter *= 1 - lr * weightDecay
 *   m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
 *   parameter -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 *
 * @throws RequestError for values out of range
 */
export function adamw({
  betas: [beta1, beta2] = [0.9, 0.999],
  eps = 1e-8,
  weightDecay = 0.01,
}: AdamWOptions = {}): Optimizer {
  requireRange('betas[0]', beta1, 0, 1);
  requireRange('betas[1]', beta2, 0, 1);
  requireRange('eps', eps, 0, Infinity);
  requireRange('weightDecay', weightDecay, 0, Infinity);
  return {
    name: 'adamw',
    slots: ['exp_avg', 'exp_avg_sq'],
    scalars: (step, lr) => ({
      kept: 1 - lr * weightDecay,
      stepSize: lr / (1 - beta1 ** step),
      rootCorrection: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update(parameter, gradient, slots, scalars) {
      const mean = needSlot(slots, 0)
        .mul(beta1)
        .add(gradient.mul(1 - beta1));
      const square = needSlot(slots, 1)
        .mul(beta2)
        .add(gradient.square().mul(1 - beta2));
      const root = square.sqrt().mul(need(scalars, 'rootCorrection')).add(eps);
      const step = mean.mul(need(scalars, 'stepSize')).div(root);
      return { parameter: parameter.mul(need(scalars, 'kept')).sub(step), slots: [mean, square] };
    },
  };
}

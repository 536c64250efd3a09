import { RequestError } from '../errors.js';
import type { Optimizer } from './optimizer.js';
import { need, needSlot, requireRange } from './rule.js';

export interface SgdOptions {
  /** Share of the last step's direction that is kept. Default 0. */
  readonly momentum?: number;
  /** Look ahead along the momentum (Sutskever et al. 2013). Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty: this times the parameter is added to the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Share of the new gradient that is left out of the momentum. Default 0. */
  readonly dampening?: number;
}

/**
 * Stochastic gradient descent, as torch.optim.SGD:
 *
 *   d = gradient + weightDecay * parameter
 *   m = momentum * m + (1 - dampening) * d      (m = d in the first step)
 *   parameter -= lr * m                         (Nesterov: lr * (d + momentum * m))
 *
 * @throws RequestError for values out of range, or Nesterov without momentum or with dampening
 */
export function sgd({
  momentum = 0,
  nesterov = false,
  weightDecay = 0,
  dampening = 0,
}: SgdOptions = {}): Optimizer {
  requireRange('momentum', momentum, 0, Infinity);
  requireRange('weightDecay', weightDecay, 0, Infinity);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new RequestError('Nesterov momentum needs a momentum above 0 and no dampening.');
  }
  return {
    name: 'sgd',
    slots: momentum === 0 ? [] : ['momentum_buffer'],
    // `fresh` is the new gradient's share of the momentum; slots start at 0, so 1 gives torch's first step.
    scalars: (step, lr) =>
      dampening === 0 ? { lr } : { lr, fresh: step === 1 ? 1 : 1 - dampening },
    update(parameter, gradient, slots, scalars) {
      const lr = need(scalars, 'lr');
      const d = weightDecay === 0 ? gradient : gradient.add(parameter.mul(weightDecay));
      if (momentum === 0) return { parameter: parameter.sub(d.mul(lr)), slots: [] };
      const added = dampening === 0 ? d : d.mul(need(scalars, 'fresh'));
      const buffer = needSlot(slots, 0).mul(momentum).add(added);
      const direction = nesterov ? d.add(buffer.mul(momentum)) : buffer;
      return { parameter: parameter.sub(direction.mul(lr)), slots: [buffer] };
    },
  };
}

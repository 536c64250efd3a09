import type { Tensor } from '../../tensor/tensor.js';
import { fanIn, uniformInit } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';

/**
 * Fully connected layer over the last axis, y = x W^T + b: [.., in] -> [.., out], of rank 2 or more.
 * Names, defaults and initialisation of torch.nn.Linear.
 */
export class Linear extends Module {
  /** [out, in] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, { bias = true } = {}) {
    super();
    const shape = [outFeatures, inFeatures];
    const bound = 1 / Math.sqrt(fanIn(shape));
    this.weight = new Parameter(shape, uniformInit(bound));
    this.bias = bias ? new Parameter([outFeatures], uniformInit(bound)) : undefined;
  }

  override forward(x: Tensor): Tensor {
    const product = x.matmul(this.weight.tensor.swapAxes());
    return this.bias ? product.add(this.bias.tensor) : product;
  }
}

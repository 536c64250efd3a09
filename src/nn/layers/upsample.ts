import type { InterpolateOptions } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Module } from '../module.js';

/**
 * Resizes the spatial axes: [B, C, ..S] -> [B, C, ..S'], as torch.nn.Upsample. Give `size` or
 * `scale`; the mode is 'nearest' by default.
 */
export class Upsample extends Module {
  constructor(private readonly options: InterpolateOptions) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.interpolate(this.options);
  }
}

import type { Tensor } from '../tensor/tensor.js';

/**
 * An optimiser's rule, symbolic: it becomes a part of the training step's graph. It holds no values;
 * whoever runs the step keeps the slots, starts them at zero, and feeds the scalars.
 */
export interface Optimizer {
  readonly name: string;
  /** The state kept for every parameter, by PyTorch's names; each has the parameter's shape. */
  readonly slots: readonly string[];
  /**
   * What changes from step to step, computed by the host in float64.
   * @param step counts from 1
   * @param lr the learning rate of this step
   */
  scalars(step: number, lr: number): Record<string, number>;
  /**
   * One parameter's step.
   * @param slots in the order of {@link slots}
   * @param scalars those of {@link scalars}, as tensors of shape []
   */
  update(
    parameter: Tensor,
    gradient: Tensor,
    slots: readonly Tensor[],
    scalars: Readonly<Record<string, Tensor>>,
  ): { parameter: Tensor; slots: Tensor[] };
}

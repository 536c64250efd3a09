/** Pooling layers. None has parameters. */
import {
  shapeError,
  type AvgPoolOptions,
  type MaxPoolOptions,
  type PerAxis,
} from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Module } from '../module.js';

/** What the layers of one number of spatial axes have in common: they refuse any other number. */
abstract class Pool extends Module {
  constructor(private readonly axes: number) {
    super();
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== this.axes + 2) {
      const shape = ['B', 'C', ...['D', 'H', 'W'].slice(-this.axes)].join(', ');
      throw shapeError(this.constructor.name, [x], `Expected [${shape}].`);
    }
    return this.pool(x);
  }

  protected abstract pool(x: Tensor): Tensor;
}

abstract class MaxPoolNd extends Pool {
  constructor(
    axes: number,
    private readonly kernel: PerAxis,
    private readonly options: MaxPoolOptions,
  ) {
    super(axes);
  }

  protected override pool(x: Tensor): Tensor {
    return x.maxPool(this.kernel, this.options);
  }
}

abstract class AvgPoolNd extends Pool {
  constructor(
    axes: number,
    private readonly kernel: PerAxis,
    private readonly options: AvgPoolOptions,
  ) {
    super(axes);
  }

  protected override pool(x: Tensor): Tensor {
    return x.avgPool(this.kernel, this.options);
  }
}

abstract class AdaptivePoolNd extends Pool {
  constructor(
    axes: number,
    private readonly kind: 'avg' | 'max',
    private readonly size: PerAxis,
  ) {
    super(axes);
  }

  protected override pool(x: Tensor): Tensor {
    return this.kind === 'avg' ? x.adaptiveAvgPool(this.size) : x.adaptiveMaxPool(this.size);
  }
}

/** Largest element of each window of [B, C, L]. Defaults of torch.nn.MaxPool1d: the stride is the kernel. */
export class MaxPool1d extends MaxPoolNd {
  constructor(kernel: PerAxis, options: MaxPoolOptions = {}) {
    super(1, kernel, options);
  }
}

/** Largest element of each window of [B, C, H, W]. Defaults of torch.nn.MaxPool2d: the stride is the kernel. */
export class MaxPool2d extends MaxPoolNd {
  constructor(kernel: PerAxis, options: MaxPoolOptions = {}) {
    super(2, kernel, options);
  }
}

/** Largest element of each window of [B, C, D, H, W]. Defaults of torch.nn.MaxPool3d: the stride is the kernel. */
export class MaxPool3d extends MaxPoolNd {
  constructor(kernel: PerAxis, options: MaxPoolOptions = {}) {
    super(3, kernel, options);
  }
}

/** Mean of each window of [B, C, L]. Defaults of torch.nn.AvgPool1d: padding counts. */
export class AvgPool1d extends AvgPoolNd {
  constructor(kernel: PerAxis, options: AvgPoolOptions = {}) {
    super(1, kernel, options);
  }
}

/** Mean of each window of [B, C, H, W]. Defaults of torch.nn.AvgPool2d: padding counts. */
export class AvgPool2d extends AvgPoolNd {
  constructor(kernel: PerAxis, options: AvgPoolOptions = {}) {
    super(2, kernel, options);
  }
}

/** Mean of each window of [B, C, D, H, W]. Defaults of torch.nn.AvgPool3d: padding counts. */
export class AvgPool3d extends AvgPoolNd {
  constructor(kernel: PerAxis, options: AvgPoolOptions = {}) {
    super(3, kernel, options);
  }
}

/** Means over a grid of the given size: [B, C, L] -> [B, C, ..size], as torch.nn.AdaptiveAvgPool1d. */
export class AdaptiveAvgPool1d extends AdaptivePoolNd {
  constructor(size: PerAxis) {
    super(1, 'avg', size);
  }
}

/** Means over a grid of the given size: [B, C, H, W] -> [B, C, ..size], as torch.nn.AdaptiveAvgPool2d. */
export class AdaptiveAvgPool2d extends AdaptivePoolNd {
  constructor(size: PerAxis) {
    super(2, 'avg', size);
  }
}

/** Means over a grid of the given size: [B, C, D, H, W] -> [B, C, ..size], as torch.nn.AdaptiveAvgPool3d. */
export class AdaptiveAvgPool3d extends AdaptivePoolNd {
  constructor(size: PerAxis) {
    super(3, 'avg', size);
  }
}

/** Largest elements over a grid of the given size: [B, C, L] -> [B, C, ..size], as torch.nn.AdaptiveMaxPool1d. */
export class AdaptiveMaxPool1d extends AdaptivePoolNd {
  constructor(size: PerAxis) {
    super(1, 'max', size);
  }
}

/** Largest elements over a grid of the given size: [B, C, H, W] -> [B, C, ..size], as torch.nn.AdaptiveMaxPool2d. */
export class AdaptiveMaxPool2d extends AdaptivePoolNd {
  constructor(size: PerAxis) {
    super(2, 'max', size);
  }
}

/** Largest elements over a grid of the given size: [B, C, D, H, W] -> [B, C, ..size], as torch.nn.AdaptiveMaxPool3d. */
export class AdaptiveMaxPool3d extends AdaptivePoolNd {
  constructor(size: PerAxis) {
    super(3, 'max', size);
  }
}

import type { DataInfo } from '../data/dataset.js';
import type { Shape } from '../tensor/shape.js';

/** Images of a size [C, H, W] of which nothing else is known but how many classes there are. */
export function imagesLike([channels = 0, height = 0, width = 0]: Shape, classes = 10): DataInfo {
  return {
    name: 'images',
    classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
    channels,
    height,
    width,
    normalization: {
      mean: new Array<number>(channels).fill(0.5),
      std: new Array<number>(channels).fill(0.25),
    },
  };
}

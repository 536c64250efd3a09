/** Slices of rows and columns, and their adjoints, in the blocked layout. */
import { lowerUnslice, type SliceAttributes, type UnsliceAttributes } from '../../ops/indexing.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { BlockRule, Layouts } from './layout.js';

/** The memory of a map [B, C, H, W] in blocks, as [B C/K, H, W, K]: rows and columns are axes of their own. */
function memory(layouts: Layouts, { shape: [b = 1, c = 1, h = 1, w = 1] }: Tensor): number[] {
  return [(b * c) / layouts.block, h, w, layouts.block];
}

export const slice: BlockRule = (layouts, node) => {
  const [x] = node.inputs;
  const { axis, start, end, step } = node.attributes as SliceAttributes;
  if (x === undefined || axis < 2 || !layouts.fits(x) || !layouts.inBlocks(x)) return undefined;
  const value = layouts.emit.node('Slice', [
    layouts.view(layouts.blocked(x), memory(layouts, x)),
    ...[start, end, axis - 1, step].map((v) => layouts.int64([v])),
  ]);
  return { value: layouts.view(value, node.shape), layout: 'blocked' };
};

export const unslice: BlockRule = (layouts, node) => {
  const [x] = node.inputs;
  const attributes = node.attributes as UnsliceAttributes;
  if (x === undefined || attributes.axis < 2 || !layouts.fits(x)) return undefined;
  const value = lowerUnslice(layouts.emit, layouts.blocked(x), memory(layouts, x), {
    ...attributes,
    axis: attributes.axis - 1,
  });
  return { value: layouts.view(value, node.shape), layout: 'blocked' };
};

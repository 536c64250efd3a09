/** Slices of rows and columns, and their adjoints, in the blocked layout. */
import { lowerUnslice, type SliceAttributes, type UnsliceAttributes } from '../../ops/indexing.js';
import type { BlockRule } from './layout.js';

export const slice: BlockRule<'x', SliceAttributes> = (
  layouts,
  node,
  { inputs: { x }, attributes: { axis, start, end, step } },
) => {
  if (axis < 2 || !layouts.fits(x) || !layouts.inBlocks(x)) return undefined;
  const value = layouts.emit.node('Slice', [
    layouts.view(layouts.blocked(x), layouts.memory(x)),
    ...[start, end, axis - 1, step].map((v) => layouts.int64([v])),
  ]);
  return { value: layouts.view(value, node.shape), layout: 'blocked' };
};

export const unslice: BlockRule<'x', UnsliceAttributes> = (
  layouts,
  node,
  { inputs: { x }, attributes },
) => {
  if (attributes.axis < 2 || !layouts.fits(x)) return undefined;
  const value = lowerUnslice(layouts.emit, layouts.blocked(x), layouts.memory(x), {
    ...attributes,
    axis: attributes.axis - 1,
  });
  return { value: layouts.view(value, node.shape), layout: 'blocked' };
};

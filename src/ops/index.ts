/** All ops. Importing this file also installs the fluent methods of Tensor. */
export * from './adaptive-pool.js';
export * from './argmax.js';
export { batchNorm, type BatchNormResult } from './batch-norm.js';
export { channelAffine } from './channel-affine.js';
export * from './conv.js';
export * from './define.js';
export * from './elementwise.js';
export { perAxis, type Padding, type PerAxis } from './geometry.js';
export * from './indexing.js';
export * from './leaf.js';
export * from './matmul.js';
export * from './movement.js';
export * from './normalization.js';
export * from './pool.js';
export * from './reduce.js';
export * from './resize.js';
export * from './unary.js';

/** Layers with PyTorch's meanings, defaults, initialisation and state_dict names. */
export * from './activation.js';
export * from './container.js';
export * from './conv.js';
export * from './dropout.js';
export * from './instance-norm.js';
export * from './linear.js';
export * from './normalization.js';
export * from './pooling.js';
export * from './upsample.js';

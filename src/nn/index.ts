/** Layers and what modules are made of, with PyTorch's meanings, defaults and state_dict names. */
export { bernoulliNoise, record, type ForwardRecord, type Noise } from './context.js';
export type { Expose, MapSize, Meaning } from './expose.js';
export * from './init.js';
export * from './layers/index.js';
export * from './module.js';
export * from './parameter.js';

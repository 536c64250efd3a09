export * from './blocks.js';
export * from './registry.js';
export * from './resnet.js';

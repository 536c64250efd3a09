export * from './context.js';
export * from './init.js';
export * from './layers/index.js';
export * from './module.js';
export * from './parameter.js';

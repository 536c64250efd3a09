/** What a network costs and does: parameters, multiply-adds, the steps of a forward pass. */
export * from './cost.js';
export * from './run-once.js';
export * from './trace.js';

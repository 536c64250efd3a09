export * from './adamw.js';
export type * from './optimizer.js';
export * from './schedule.js';
export * from './sgd.js';

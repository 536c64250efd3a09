/** Optimisers and what goes with them: schedules, limits to gradients, averages of weights. */
export * from './adamw.js';
export * from './clip.js';
export * from './ema.js';
export type * from './optimizer.js';
export * from './schedule.js';
export * from './sgd.js';

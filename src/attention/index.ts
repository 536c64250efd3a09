export * from './channel/squeeze-excite.js';
export type { AttentionEntry, Domain, OptionValue } from './entry.js';
export * from './registry.js';

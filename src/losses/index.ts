export * from './cross-entropy.js';
export * from './info-nce.js';

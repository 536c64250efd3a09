/** Losses: graphs that end in one number. */
export {
  crossEntropy,
  mixedCrossEntropy,
  pixelCrossEntropy,
  weightedLosses,
  type CrossEntropyOptions,
  type MixedCrossEntropyOptions,
  type WeightedLosses,
} from './cross-entropy.js';
export * from './dice.js';
export { infoNce, type InfoNceOptions, type InfoNceResult } from './info-nce.js';
export * from './nt-xent.js';

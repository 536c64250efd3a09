export * from './blocks.js';
export { Decoder, type FeatureEncoder } from './decoder.js';
export { listFusions, type FusionChoice } from './fusion.js';
export { defineModel, Model, type ModelDefinition, type ModelOptions } from './model.js';
export * from './projected-encoder.js';
export { createModel, models, type BuiltInModels, type ModelId } from './registry.js';
export * from './resnet.js';
export * from './segmentation.js';
export * from './simple-vit.js';

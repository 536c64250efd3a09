export { z } from 'zod';
export { adaptiveKernel, Eca, eca, type EcaOptions } from './channel/eca.js';
export { SelectiveFusion, sf, type SelectiveFusionOptions } from './channel/selective-fusion.js';
export { SelectiveKernel, sk, type SelectiveKernelOptions } from './channel/selective-kernel.js';
export { se, SqueezeExcite, type SqueezeExciteOptions } from './channel/squeeze-excite.js';
export { GatedFusion, gatedFusion, type GatedFusionOptions } from './fusion/gated.js';
export { mfe, MultiFeatureExtraction, type MultiFeatureExtractionOptions } from './fusion/mfe.js';
export {
  msaa,
  MultiScaleAttentionAggregation,
  type MultiScaleAttentionAggregationOptions,
} from './fusion/msaa.js';
export {
  msf,
  MultiScaleSelectiveFusion,
  type MultiScaleSelectiveFusionOptions,
} from './fusion/msf.js';
export {
  osra,
  OverlappingReductionAttention,
  type OverlappingReductionAttentionOptions,
} from './fusion/osra.js';
export {
  safm,
  SpatiallyAdaptiveModulation,
  type SpatiallyAdaptiveModulationOptions,
} from './fusion/safm.js';
export { Cbam, cbam, type CbamOptions } from './hybrid/cbam.js';
export { cbamChannel, ChannelGate, type ChannelGateOptions } from './hybrid/channel-gate.js';
export {
  danetHead,
  DualAttentionHead,
  type DualAttentionHeadOptions,
} from './hybrid/danet-head.js';
export {
  ChannelSimilarityAttention,
  danetChannel,
  danetPosition,
  PositionAttention,
  type ChannelSimilarityAttentionOptions,
  type PositionAttentionOptions,
} from './hybrid/danet.js';
export { cbamJoint, JointCbam, type JointCbamOptions } from './hybrid/joint-cbam.js';
export { cbamSpatial, SpatialGate, type SpatialGateOptions } from './hybrid/spatial-gate.js';
export {
  defineMechanism,
  Mechanism,
  MechanismChoice,
  type AnyOptions,
  type Domain,
  type MechanismDefinition,
} from './mechanism.js';
export {
  attention,
  type AttentionChoice,
  type AttentionSlot,
  type AttentionSpecification,
  type MakesLayer,
} from './registry.js';
export {
  GatherExcite,
  gatherExcite,
  type GatherExciteActivation,
  type GatherExciteOptions,
} from './spatial/gather-excite.js';
export {
  NonLocal,
  nonLocal,
  type NonLocalKind,
  type NonLocalOptions,
} from './spatial/non-local.js';
export { sagan, SaganAttention, type SaganAttentionOptions } from './spatial/sagan.js';
export { SimpleNonLocal, simpleNonLocal } from './spatial/simple-non-local.js';
export {
  FeedForward,
  MultiHeadAttention,
  SimpleVit,
  simpleVit,
  Transformer,
  TransformerLayer,
  type MultiHeadAttentionOptions,
  type SimpleVitOptions,
  type TokenGrid,
  type TransformerOptions,
} from './tokens/simple-vit.js';
export type { MechanismId, Zoo } from './zoo.js';
export { OptionSet, type OptionInfo, type OptionShape, type OptionsOf } from '../options.js';

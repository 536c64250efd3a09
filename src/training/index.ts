/** Training, evaluating and predicting; recipes, steps and checkpoints. */
export {
  evaluationStep,
  initialState,
  trainingStep,
  type StepOptions,
  type TrainingStep,
} from './step.js';
export {
  Diverged,
  fit,
  Interrupted,
  type FitOptions,
  type FitResult,
  type FitSettings,
  type Position,
  type StepProgress,
} from './fit.js';
export { checkTraining, type CheckedOptions } from './check.js';
export {
  evaluate,
  predict,
  probe,
  type EvaluateOptions,
  type Evaluation,
  type Prediction,
} from './evaluate.js';
export { bestOf, type EpochMetrics } from './metrics.js';
export type { RunChange } from './changes.js';
export { makeRecipe, optimizerOf, scheduleOf, type Recipe, type RecipeInput } from './recipe.js';
export { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.js';

/** What a comparison and the processes of its runs say to each other. */
import type { EpochMetrics } from '../../training/metrics.js';
import type { Summary } from '../../training/node/run-folder.js';
import type { RunStart } from '../../training/node/run.js';
import type { Recipe } from '../../training/recipe.js';
import type { StepProgress } from '../../training/fit.js';

/** To a run's process. */
export type Order =
  | {
      readonly kind: 'train';
      readonly recipe: Recipe;
      /** Folder of a run to go on with, or of a new one. */
      readonly resume?: string;
      readonly output?: string;
    }
  | { readonly kind: 'stop' };

/** From a run's process; the last three are its last word. */
export type Report =
  | { readonly kind: 'start'; readonly start: RunStart }
  | { readonly kind: 'step'; readonly progress: StepProgress }
  | { readonly kind: 'epoch'; readonly metrics: EpochMetrics }
  | { readonly kind: 'done'; readonly summary: Summary }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * What may be changed of a run when it goes on: its learning rate, downwards, as after it diverged, and
 * the number of epochs, upwards. Each change stands in the recipe with the step from which it holds, so that the recipe says the
 * rate of every step, of those before it too.
 */
import { RequestError } from '../errors.js';
import { makeRecipe, settingsAt, type Change, type Recipe } from './recipe.js';

/** Settings that lower the learning rate or add epochs. */
export type RunChange = Omit<Change, 'epoch' | 'step'>;

/** Whether a value is on the side that a run may go to, by setting. */
const ALLOWED: Readonly<Record<keyof RunChange, (there: number, asked: number) => boolean>> = {
  lr: (there, asked) => asked < there,
  gamma: (there, asked) => asked < there,
  warmupEpochs: (there, asked) => asked > there,
  epochs: (there, asked) => asked > there,
};

/** What a person may ask for, in words. */
export const MAY_CHANGE = 'a smaller --lr or --gamma, a longer --warmup-epochs, or more --epochs';

/** A recipe's settings as they are after all its changes. */
export function currentSettings(recipe: Recipe): Recipe {
  return settingsAt(recipe, Infinity, 0);
}

/** Whether a setting may be given this value when a run goes on. */
export function mayChange(recipe: Recipe, name: string, asked: unknown): name is keyof RunChange {
  if (!isChangeable(name) || typeof asked !== 'number') return false;
  return ALLOWED[name](currentSettings(recipe)[name], asked);
}

function isChangeable(name: string): name is keyof RunChange {
  return Object.hasOwn(ALLOWED, name);
}

/**
 * The recipe of a run that goes on with a lower rate or more epochs. Earlier changes that would have held from
 * there on only are taken up into the new one: no step that is kept was done with them.
 * @param asked those that are as they were change nothing
 * @param at the place where the run goes on, as in a checkpoint's position
 * @throws RequestError if one would raise the rate or take epochs away
 */
export function withChange(
  recipe: Recipe,
  asked: RunChange,
  at: { readonly epoch: number; readonly iteration: number },
): Recipe {
  const now = currentSettings(recipe);
  const changed = Object.entries(asked).filter(
    ([name, value]) => now[name as keyof RunChange] !== value,
  );
  if (changed.length === 0) return recipe;
  const refused = changed.filter(([name, value]) => !mayChange(recipe, name, value));
  if (refused.length > 0) {
    const list = refused.map(
      ([name, value]) => `${name}: ${now[name as keyof RunChange]} there, ${value} asked for`,
    );
    throw new RequestError(
      `A run goes on with its own settings, or with ${MAY_CHANGE}. ${list.join('; ')}.`,
    );
  }
  const [epoch, step] = [at.epoch + 1, at.iteration + 1];
  const changes = recipe.changes ?? [];
  const taken = changes.filter(
    (one) => one.epoch > epoch || (one.epoch === epoch && one.step >= step),
  );
  const merged = [...taken, Object.fromEntries(changed)].reduce<RunChange>(
    (all, one) => ({ ...all, ...one }),
    {},
  );
  const kept = changes.filter((one) => !taken.includes(one));
  return makeRecipe({ ...recipe, changes: [...kept, { ...merged, epoch, step }] });
}

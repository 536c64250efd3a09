import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { currentSettings, mayChange, withChange } from './changes.js';
import { makeRecipe, scheduleOf, type RecipeInput } from './recipe.js';

/** Eight epochs; the rate falls by ten after four. */
const recipe = (more: RecipeInput = {}) =>
  makeRecipe({ epochs: 8, milestones: [4], warmupEpochs: 0, lr: 1, ...more });
const rates = (of: ReturnType<typeof recipe>, ...places: [number, number][]) =>
  places.map(([epoch, iteration]) => scheduleOf(of).lr(epoch, iteration, 10));

describe('a changed recipe', () => {
  const changed = withChange(recipe(), { lr: 0.5 }, { epoch: 2, iteration: 3 });

  it('keeps its own rate before the change, and has the new one from that step on', () => {
    expect(rates(changed, [0, 0], [1, 9], [2, 2])).toEqual([1, 1, 1]);
    expect(rates(changed, [2, 3], [2, 4], [3, 0])).toEqual([0.5, 0.5, 0.5]);
    expect(rates(changed, [4, 0])[0]).toBeCloseTo(0.05, 12);
    expect(changed).toMatchObject({ lr: 1, changes: [{ epoch: 3, step: 4, lr: 0.5 }] });
    expect(currentSettings(changed).lr).toBe(0.5);
  });

  it('can be changed again later, one setting at a time', () => {
    const again = withChange(changed, { gamma: 0.01 }, { epoch: 3, iteration: 0 });
    expect(again.changes).toEqual([
      { epoch: 3, step: 4, lr: 0.5 },
      { epoch: 4, step: 1, gamma: 0.01 },
    ]);
    expect(rates(again, [2, 2], [3, 9])).toEqual([1, 0.5]);
    expect(rates(again, [5, 0])[0]).toBeCloseTo(0.005, 12);
  });

  it('has one change where it goes on from the same step, or an earlier one, again', () => {
    const same = withChange(changed, { lr: 0.1 }, { epoch: 2, iteration: 3 });
    expect(same.changes).toEqual([{ epoch: 3, step: 4, lr: 0.1 }]);
    const earlier = withChange(changed, { warmupEpochs: 1 }, { epoch: 0, iteration: 0 });
    expect(earlier.changes).toEqual([{ epoch: 1, step: 1, lr: 0.5, warmupEpochs: 1 }]);
    // A half way through the warm-up, but for the 1e-8 by which the seed's formula avoids a division by 0.
    expect(rates(earlier, [0, 4])[0]).toBeCloseTo(0.25, 8);
  });

  it('is read again from JSON as it was', () => {
    expect(makeRecipe(JSON.parse(JSON.stringify(changed)) as RecipeInput)).toEqual(changed);
  });
});

describe('what may be changed', () => {
  it.each([
    ['lr', 0.5, true],
    ['lr', 2, false],
    ['gamma', 0.01, true],
    ['gamma', 0.5, false],
    ['warmupEpochs', 3, true],
    ['batchSize', 8, false],
    ['momentum', 0.5, false],
    ['toString', 1, false],
  ])('%s to %s: %s', (name, value, may) => {
    expect(mayChange(recipe(), name, value)).toBe(may);
  });

  it('is compared with the settings that hold now', () => {
    const changed = withChange(recipe(), { lr: 0.5 }, { epoch: 0, iteration: 0 });
    expect(mayChange(changed, 'lr', 0.7)).toBe(false);
    expect(withChange(changed, { lr: 0.5 }, { epoch: 1, iteration: 0 })).toBe(changed);
    const raising = () => withChange(changed, { lr: 0.7 }, { epoch: 1, iteration: 0 });
    expect(raising).toThrow(RequestError);
    expect(raising).toThrow(/smaller --lr or --gamma.* lr: 0\.5 there, 0\.7 asked for/);
  });
});

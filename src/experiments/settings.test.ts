import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { createModel } from '../models/index.js';
import { differences, makeSettings, parseVariants, plannedRuns } from './settings.js';

const settings = (list: string, recipe: object = {}) =>
  makeSettings({ variants: parseVariants(list), seeds: [1, 2], recipe });

describe('parseVariants', () => {
  it('reads ids, options and stages', () => {
    expect(
      parseVariants('none, cbam:ratio=8:mlp=false ,sagan@3,non-local:kind=gaussian@2+3'),
    ).toEqual([
      { label: 'none', attention: 'none', attentionOptions: {} },
      {
        label: 'cbam:ratio=8:mlp=false',
        attention: 'cbam',
        attentionOptions: { ratio: 8, mlp: false },
      },
      { label: 'sagan@3', attention: 'sagan', attentionOptions: {}, stages: [3] },
      {
        label: 'non-local:kind=gaussian@2+3',
        attention: 'non-local',
        attentionOptions: { kind: 'gaussian' },
        stages: [2, 3],
      },
    ]);
  });

  it('puts the baseline first where it is not in the list', () => {
    expect(parseVariants('se,eca').map(({ label }) => label)).toEqual(['none', 'se', 'eca']);
    expect(parseVariants('se,none').map(({ label }) => label)).toEqual(['se', 'none']);
  });

  it.each(['se:ratio', 'se@', 'se:ratio=8@x', 'se ratio', '@3'])('refuses %s', (text) => {
    expect(() => parseVariants(text)).toThrow(/is no mechanism\. Expected an id/);
  });

  it('refuses a mechanism that occurs twice', () => {
    expect(() => parseVariants('se,eca,se')).toThrow("'se' is to be compared with itself.");
  });
});

describe('plannedRuns', () => {
  it('goes seed by seed, each run with its own folder and recipe', () => {
    const runs = plannedRuns(settings('se:ratio=8,sagan@3', { model: 'resnet20', epochs: 3 }));
    expect(runs.map(({ name }) => name)).toEqual([
      'none-seed1',
      'se-ratio=8-seed1',
      'sagan@3-seed1',
      'none-seed2',
      'se-ratio=8-seed2',
      'sagan@3-seed2',
    ]);
    expect(runs[4]?.recipe).toMatchObject({
      model: 'resnet20',
      epochs: 3,
      attention: 'se',
      attentionOptions: { ratio: 8 },
      seed: 2,
    });
    expect(runs[5]?.recipe.stages).toEqual([3]);
  });

  it('starts the runs of one seed from the same values in every layer that they share', () => {
    const [plain, gated] = plannedRuns(settings('se', { model: 'resnet20' })).map(({ recipe }) =>
      createModel(recipe.model, {
        ...(recipe.attention !== 'none' && { attention: recipe.attention }),
        seed: recipe.seed,
      }).stateDict(),
    );
    expect(plain?.size).toBeGreaterThan(100);
    for (const [name, { data }] of plain ?? []) expect(gated?.get(name)?.data).toEqual(data);
  });
});

describe('makeSettings', () => {
  it('fills in the recipe and refuses what it does not know', () => {
    expect(settings('se').recipe).toMatchObject({ epochs: 160, batchSize: 128 });
    expect(() => settings('se', { epochz: 3 })).toThrow(RequestError);
    expect(() => settings('se', { seed: 3 })).toThrow(/seed/);
    expect(() => makeSettings({ variants: [], seeds: [1], recipe: {} })).toThrow(/variants/);
  });
});

describe('differences', () => {
  it('names every setting that differs, with both values', () => {
    const there = settings('se', { epochs: 10, limitTrain: 100 });
    const asked = settings('se,eca', { epochs: 20, milestones: [5] });
    expect(differences(there, asked)).toEqual([
      'attention: none,se there, none,se,eca asked for',
      'limitTrain: 100 there, not set asked for',
      'epochs: 10 there, 20 asked for',
      'milestones: not set there, [5] asked for',
    ]);
  });

  it('finds none where only the place of the data differs', () => {
    expect(differences(settings('se', { data: 'a' }), settings('se', { data: 'b' }))).toEqual([]);
  });
});

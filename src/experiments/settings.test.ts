import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { models } from '../models/index.js';
import { attention } from '../attention/index.js';
import { makeRecipe } from '../training/recipe.js';
import { differences, makeSettings, parseParts, parseVariants, plannedRuns } from './settings.js';

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

  it('puts the baseline first, wherever it is in the list', () => {
    expect(parseVariants('se,eca').map(({ label }) => label)).toEqual(['none', 'se', 'eca']);
    expect(parseVariants('se,none').map(({ label }) => label)).toEqual(['none', 'se']);
  });

  it('reads fusions and heads, with the baseline of each', () => {
    expect(parseVariants('msaa:ratio=4,gated-fusion', 'fusion')).toEqual([
      { label: 'add', fusion: 'add' },
      { label: 'msaa:ratio=4', fusion: 'msaa:ratio=4' },
      { label: 'gated-fusion', fusion: 'gated-fusion' },
    ]);
    expect(parseVariants('danet-head', 'head').map(({ label }) => label)).toEqual([
      'plain',
      'danet-head',
    ]);
  });

  it.each(['se:ratio', 'se@', 'se:ratio=8@x', 'se ratio', '@3'])('refuses %s', (text) => {
    expect(() => parseVariants(text)).toThrow(/is no mechanism\. Expected an id/);
  });

  it('refuses a mechanism that occurs twice', () => {
    expect(() => parseVariants('se,eca,se')).toThrow("'se' is to be compared with itself.");
  });
});

describe('parseParts', () => {
  it('compares the part that has several variants, and shares the others', () => {
    expect(
      parseParts({ fusion: 'add,msaa', head: 'danet-head', attention: 'cbam:ratio=8@3' }),
    ).toEqual({
      compared: { axis: 'fusion', variants: parseVariants('add,msaa', 'fusion') },
      recipe: {
        head: 'danet-head',
        attention: 'cbam',
        attentionOptions: { ratio: 8 },
        stages: [3],
      },
    });
  });

  it('compares a single variant of the only part with its baseline', () => {
    expect(parseParts({ head: 'danet-head' })).toEqual({
      compared: { axis: 'head', variants: parseVariants('plain,danet-head', 'head') },
      recipe: {},
    });
    expect(parseParts({})).toEqual({ recipe: {} });
  });

  it.each([
    [{ fusion: 'add,msaa', head: 'plain,danet-head' }, '--fusion and --head name several variants'],
    [{ fusion: 'msaa', attention: 'se' }, '--attention and --fusion name one variant each'],
  ])('refuses %j, of which it cannot tell what is compared', (lists, message) => {
    expect(() => parseParts(lists)).toThrow(RequestError);
    expect(() => parseParts(lists)).toThrow(message);
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

  it('sets the part that is compared, and nothing else', () => {
    const runs = plannedRuns(
      makeSettings({
        axis: 'fusion',
        variants: parseVariants('msaa:ratio=4', 'fusion'),
        seeds: [7],
        recipe: { task: 'segmentation', attention: 'se', head: 'danet-head' },
      }),
    );
    expect(runs.map(({ name }) => name)).toEqual(['add-seed7', 'msaa-ratio=4-seed7']);
    expect(runs.map(({ recipe }) => recipe)).toEqual(
      ['add', 'msaa:ratio=4'].map((fusion) =>
        makeRecipe({ task: 'segmentation', attention: 'se', head: 'danet-head', fusion, seed: 7 }),
      ),
    );
  });

  it('starts the runs of one seed from the same values in every layer that they share', () => {
    const [plain, gated] = plannedRuns(settings('se', { model: 'resnet20' })).map(({ recipe }) =>
      models
        .get(recipe.model)
        .create({
          ...(recipe.attention !== 'none' && { attention: attention.get(recipe.attention) }),
          seed: recipe.seed,
        })
        .stateDict(),
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

  it('reads a compare.json of version 0.1: about attention, augmented or not', () => {
    const old = {
      variants: [
        { label: 'none', attention: 'none', attentionOptions: {} },
        { label: 'sagan@3', attention: 'sagan', attentionOptions: {}, stages: [3] },
      ],
      seeds: [1],
      recipe: { model: 'resnet20', augment: true, device: 'cpu' },
    };
    const read = makeSettings(old);
    expect(read).toMatchObject({ axis: 'attention', variants: old.variants });
    expect(differences(read, settings('sagan@3', { model: 'resnet20' }))).toEqual([
      'seeds: 1 there, 1,2 asked for',
    ]);
  });

  it('refuses what is compared among what is shared, and variants of another part', () => {
    const [variants, seeds] = [parseVariants('msaa', 'fusion'), [1]];
    expect(() =>
      makeSettings({ axis: 'fusion', variants, seeds, recipe: { fusion: 'add' } }),
    ).toThrow('recipe.fusion: the fusion is what is compared');
    expect(() => makeSettings({ axis: 'head', variants, seeds, recipe: {} })).toThrow(
      'variants.0: expected the head, and no fusion',
    );
    expect(() => makeSettings({ variants: [{ label: 'se' }], seeds, recipe: {} })).toThrow(
      'variants.0: expected the attention',
    );
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

  it('names another part that is compared', () => {
    const fusions = makeSettings({
      axis: 'fusion',
      variants: parseVariants('msaa', 'fusion'),
      seeds: [1, 2],
      recipe: {},
    });
    expect(differences(settings('se'), fusions)).toEqual([
      'attention: none,se there, not set asked for',
      'fusion: not set there, add,msaa asked for',
    ]);
  });

  it('finds none where only the baseline stands elsewhere', () => {
    const asked = settings('se,eca');
    const there = { ...asked, variants: asked.variants.toReversed() };
    expect(differences(there, settings('eca,se'))).toEqual([]);
  });

  it('finds none where only the place of the data differs', () => {
    expect(differences(settings('se', { data: 'a' }), settings('se', { data: 'b' }))).toEqual([]);
  });
});

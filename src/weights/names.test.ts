import { describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import { invertNames, nameMaps, rename, renameState } from './names.js';

describe('name maps', () => {
  it('replace whole path segments only, the longest first', () => {
    const map = { conv1: 'first', 'conv1.0': 'stem' };
    expect(rename('conv1.0.weight', map)).toBe('stem.weight');
    expect(rename('conv1.1.weight', map)).toBe('first.1.weight');
    expect(rename('conv10.weight', map)).toBe('conv10.weight');
    expect(rename('layer1.conv1.weight', map)).toBe('layer1.conv1.weight');
  });

  it("take DataParallel's prefix away, and put it back", () => {
    const map = nameMaps['data-parallel'];
    expect(rename('module.conv1.weight', map)).toBe('conv1.weight');
    expect(rename('conv1.weight', invertNames(map))).toBe('module.conv1.weight');
  });

  it.each(Object.entries(nameMaps))('%s can be undone', (_, map) => {
    for (const path of Object.keys(map)) {
      expect(rename(rename(`${path}.weight`, map), invertNames(map))).toBe(`${path}.weight`);
    }
  });

  it('keep the entries and their order, and refuse two of one name', () => {
    const state = new Map([
      ['classifer.weight', 1],
      ['bn.weight', 2],
    ]);
    expect([...renameState(state, nameMaps['seed-000-resnet'])]).toEqual([
      ['linear.weight', 1],
      ['bn.weight', 2],
    ]);
    const clash = new Map([
      ['a.weight', 1],
      ['b.weight', 2],
    ]);
    expect(() => renameState(clash, { a: 'b' })).toThrow(RequestError);
  });
});

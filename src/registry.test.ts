import { describe, expect, it } from 'vitest';
import { RequestError } from './errors.js';
import { Registry } from './registry.js';

describe('Registry', () => {
  const [one, two] = [{ id: 'one' }, { id: 'two' }];

  it('gives values by their ids, in the order in which they were added', () => {
    const registry = new Registry('task', [one]);
    registry.add(two);
    expect(registry.list()).toEqual([one, two]);
    expect(registry.get('two')).toBe(two);
    expect([registry.has('one'), registry.has('three')]).toEqual([true, false]);
  });

  it('takes the same value again, and refuses another with its id', () => {
    const registry = new Registry('task', [one]);
    expect(() => registry.add(one)).not.toThrow();
    expect(() => registry.add({ id: 'one' })).toThrow(RequestError);
    expect(() => registry.add({ id: 'one' })).toThrow("'one' belongs to another task already");
    expect(registry.list()).toHaveLength(1);
  });

  it('suggests the nearest for an id that it does not know', () => {
    const registry = new Registry('task', [one, two], ['none']);
    expect(() => registry.get('tow')).toThrow("Unknown task 'tow'. Did you mean");
    expect(() => registry.get('non')).toThrow("'none'");
    expect(() => registry.get('constructor')).toThrow(RequestError);
  });

  it.each(['', 'a b', 'a:b', 'a@b', 'a,b', 'a=b', 'none'])('has no id %j', (id) => {
    const registry = new Registry<{ id: string }>('task', [], ['none']);
    expect(() => registry.add({ id })).toThrow(/A registered task cannot have the id/);
  });
});

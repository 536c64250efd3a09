import { describe, expect, it } from 'vitest';
import { nearest, suggestion } from './suggest.js';

describe('nearest', () => {
  const names = ['cifar10', 'cifar100', 'shapes', 'se', 'cbam'];

  it('finds names a few edits away, best first', () => {
    expect(nearest('cifr100', names)).toEqual(['cifar100', 'cifar10']);
    expect(nearest('shaeps', names)).toEqual(['shapes']);
  });

  it('ignores case, spaces and hyphens', () => {
    expect(nearest('CIFAR-100', names)[0]).toBe('cifar100');
  });

  it('finds a name that contains what was asked, however long', () => {
    expect(nearest('cbam', ['cbam.block.channel_conv', 'danet'])).toEqual([
      'cbam.block.channel_conv',
    ]);
  });

  it('gives nothing when nothing is near, and no more than the limit', () => {
    expect(nearest('imagenet', names)).toEqual([]);
    expect(nearest('cifar', names, 1)).toEqual(['cifar10']);
  });
});

describe('suggestion', () => {
  it('asks about the near names, or lists what is known', () => {
    expect(suggestion('cifr10', ['cifar10', 'shapes'])).toBe("Did you mean 'cifar10'?");
    expect(suggestion('cifar', ['cifar10', 'cifar100'])).toBe(
      "Did you mean 'cifar10' or 'cifar100'?",
    );
    expect(suggestion('imagenet', ['cifar10', 'shapes'])).toBe("Known: 'cifar10', 'shapes'.");
  });
});

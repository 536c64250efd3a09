import { describe, expect, it } from 'vitest';
import { fitNames, wrapperPrefix } from './wrappers.js';

const OWN = ['conv1.weight', 'bn1.bias', 'layer1.0.conv1.weight'];
const WANTED = new Set(OWN);
const under = (prefix: string) => OWN.map((name) => `${prefix}${name}`);

describe('fitNames', () => {
  it.each([
    ['DataParallel', under('module.')],
    ['torch.compile', under('_orig_mod.')],
    ['Lightning', under('model.')],
    ['DDP over DataParallel', under('module.module.')],
    ['torch.compile inside of DDP', under('module._orig_mod.')],
    ['a class of its own', under('net.encoder.')],
    ['torch.compile of a layer', ['conv1.weight', 'bn1.bias', 'layer1.0._orig_mod.conv1.weight']],
    [
      'FSDP',
      [
        '_fsdp_wrapped_module.conv1.weight',
        '_fsdp_wrapped_module.bn1.bias',
        '_fsdp_wrapped_module.layer1.0._fsdp_wrapped_module.conv1.weight',
      ],
    ],
  ])('takes away what wrappers add: %s', (_, names) => {
    const fit = fitNames(names, WANTED);
    expect(names.map((name) => fit?.rename(name))).toEqual(OWN);
  });

  it('leaves names alone that fit, or that nothing makes fit', () => {
    expect(fitNames(OWN, WANTED)).toBeUndefined();
    expect(fitNames(['module.fc.weight', 'module.fc.bias'], WANTED)).toBeUndefined();
    expect(fitNames([], WANTED)).toBeUndefined();
  });

  it('makes no two names one', () => {
    const names = ['conv1.weight', 'module.conv1.weight'];
    expect(fitNames(names, new Set(['conv1.weight', 'bn1.bias']))).toBeUndefined();
  });

  it('says what it takes away', () => {
    expect(fitNames(under('module.module.'), WANTED)?.removed).toBe('module.module.');
  });
});

describe('wrapperPrefix', () => {
  it.each([
    [under('module.'), 'module'],
    [under('module._orig_mod.'), 'module._orig_mod'],
    [under('model.'), 'model'],
    [OWN, undefined],
    [[...under('module.'), 'n_averaged'], undefined],
    [['layer.0.weight', 'layer.1.weight'], undefined],
    [['module.weight', 'module.bias'], 'module'],
    [[], undefined],
  ])('%#', (names, prefix) => {
    expect(wrapperPrefix(names)).toBe(prefix);
  });
});

import { describe, expect, it } from 'vitest';
import { RequestError } from '../../errors.js';
import { record } from '../../nn/context.js';
import { input } from '../../ops/index.js';
import { evaluate } from '../../tensor/evaluate.js';
import { goldenCase } from '../../testing/golden-files.js';
import { beyondTolerance, compareWithGolden, type GoldenCase } from '../../inspect/golden.js';
import { nameMaps, type NameMap } from '../../weights/names.js';
import { SqueezeExcite } from './squeeze-excite.js';

/** One of the seeds' three classes, built from the arguments of its own constructor. */
function fromSeed({ module, config }: GoldenCase): { module: SqueezeExcite; names: NameMap } {
  const {
    in_chnls = 0,
    channels = 0,
    channel = 0,
    ratio = 0,
    reduction = 16,
  } = config as Partial<Record<string, number>>;
  switch (module) {
    case 'se.conv':
      return { module: new SqueezeExcite(in_chnls, { ratio }), names: nameMaps['seed-000-se'] };
    case 'se.linear': {
      const squeeze = config['mode'] === 'max' ? 'max' : 'avg';
      return {
        module: new SqueezeExcite(channels, { ratio, squeeze, bias: false }),
        names: nameMaps['seed-001-se'],
      };
    }
    default:
      return {
        module: new SqueezeExcite(channel, { ratio: reduction, bias: false }),
        names: nameMaps['seed-003-se'],
      };
  }
}

describe('SqueezeExcite', () => {
  it.each([
    'se.conv',
    'se.conv.2',
    'se.linear',
    'se.linear.2',
    'se.linear.3',
    'se.linear.4',
    'se.senet_linear',
    'se.senet_linear.2',
  ])("agrees with PyTorch's %s: outputs, gate and gradients", async (name) => {
    const golden = goldenCase(name);
    const subject = { ...fromSeed(golden), attention: { gate: 'channel' } };
    const differences = await compareWithGolden(golden, subject, evaluate);
    expect(differences.length).toBeGreaterThanOrEqual(6);
    expect(beyondTolerance(differences)).toEqual([]);
  });

  it('shows its gate, one number per channel, under `channel`', () => {
    const se = new SqueezeExcite(32);
    const { record: left } = record(false, () => se.forward(input('x', [2, 32, 5, 4])));
    expect(left.exposed.get('channel')?.shape).toEqual([2, 32, 1, 1]);
  });

  it('has 2 C^2 / ratio weights, and biases in its convolutional form only', () => {
    expect(new SqueezeExcite(64, { ratio: 8 }).parameterCount()).toBe(2 * 64 * 8 + 64 + 8);
    expect(new SqueezeExcite(64, { ratio: 8, bias: false }).parameterCount()).toBe(2 * 64 * 8);
  });

  it('refuses a ratio that leaves no hidden unit, in both forms', () => {
    for (const bias of [true, false]) {
      expect(() => new SqueezeExcite(8, { bias })).toThrow(RequestError);
      expect(() => new SqueezeExcite(8, { bias })).toThrow(/ratio from 1 to 8/);
    }
  });
});

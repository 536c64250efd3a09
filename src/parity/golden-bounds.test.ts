import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../formats/safetensors.js';
import { verifyCase } from './verify.js';

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../../tests/fixtures/${name}.safetensors`, import.meta.url));

/** A case with another configuration, as JSON. */
function withConfig(
  name: string,
  config: string,
  more: ReadonlyMap<string, StoredTensor> = new Map(),
): Uint8Array {
  const { tensors, metadata } = readSafetensors(fixture(`golden/${name}`), name);
  return writeSafetensors(new Map([...tensors, ...more]), { ...metadata, config });
}

const LONG: ReadonlyMap<string, StoredTensor> = new Map([
  ['param.long', { dtype: 'F32', shape: [16_384], data: new Float32Array(16_384) }],
]);

describe('a golden case that asks for too much', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime('cpu', { worker: false });
  });
  afterAll(() => runtime.close());

  async function refusal(bytes: Uint8Array): Promise<string> {
    const before = process.resourceUsage().maxRSS;
    const start = performance.now();
    const { status, message } = await verifyCase('case', () => Promise.resolve(bytes), runtime);
    expect(status).toBe('error');
    expect(message).not.toMatch(/could not be run|Invalid array|call stack|allocation/);
    expect(performance.now() - start).toBeLessThan(2000);
    // In KiB.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(200 * 1024);
    return message;
  }

  it('of channels is refused before anything is allocated', async () => {
    expect(await refusal(fixture('cases/hostile/huge-channels'))).toMatch(
      /asks for in_channels = 4294967296, but no tensor of the case has an axis longer than 9/,
    );
  });

  it.each([
    ['layers', 'vit.simple_vit.2', { image_size: [4, 3], patch_size: 4, dim: 12, depth: 1e9 }],
    ['heads', 'vit.attention', { dim: 12, heads: 1e12, dim_head: 4 }],
    ['branches', 'sk.b.2', { features: 8, M: 1e7, G: 2, r: 2, stride: 1, L: 4 }],
    ['nested sizes', 'mfe.2', { in_channels: 4, atrous_rates: [1, 2, 1e9] }],
    ['a negative size', 'se.conv', { in_chnls: -1e9, ratio: 2 }],
  ])('of %s is refused by the longest axis', async (_, name, config) => {
    const message = await refusal(withConfig(name, JSON.stringify(config)));
    expect(message).toMatch(/no tensor of the case has an axis longer than \d+/);
  });

  it('is refused too where a long tensor is added to allow it', async () => {
    const vit = { image_size: 16_384, patch_size: 1, dim: 16_384, depth: 16_384, heads: 1 };
    const cases = [
      ['vit.simple_vit.2', { ...vit, mlp_dim: 16_384, channels: 24 }],
      ['sk.b.2', { features: 16_384, M: 16_384, G: 1, r: 1, stride: 1, L: 16_384 }],
      ['gather_excite.e2_mlp_max', { channels: 16, extent: 16_384, add_maxpool: true }],
      ['resnet18', { base: 16_384, num_classes: 16_384 }],
    ] as const;
    for (const [name, config] of cases) {
      await refusal(withConfig(name, JSON.stringify(config), LONG));
    }
  });

  it.each(['"64"', 'null', '[64]', '{}', '1.5', 'true', '-1', '0', '1e400'])(
    'or has %s for a number of channels is refused in words',
    async (value) => {
      await refusal(withConfig('se.conv', `{"in_chnls":${value},"ratio":2}`));
    },
  );

  it.each([
    '{"__proto__":{"in_chnls":8},"ratio":2}',
    '{"in_chnls":8,"ratio":2,"constructor":1}',
    `{"in_chnls":8,"ratio":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    '[]',
    'null',
  ])('or has another form of configuration, as %.40s, is refused in words', async (config) => {
    await refusal(withConfig('se.conv', config));
  });

  it('is refused by what its graph would compute', async () => {
    const name = 'golden/nonlocal.gaussian.1d.one_channel';
    const { tensors, metadata } = readSafetensors(fixture(name), name);
    const kept = [...tensors].filter(([tensor]) => tensor.startsWith('param.'));
    const channels = tensors.get('input.0')?.shape[1] ?? 0;
    // 20,000 places, each of which looks at all others.
    const data = new Float32Array(channels * 20_000);
    const map: StoredTensor = { dtype: 'F32', shape: [1, channels, 20_000], data };
    const bytes = writeSafetensors(
      new Map([...kept, ['input.0', map], ['eval.output.0', map]]),
      metadata,
    );
    expect(await refusal(bytes)).toMatch(
      /The case would compute \d+ values with \d+ multiply-adds; at most 268435456 and 100000000000/,
    );
  });
});

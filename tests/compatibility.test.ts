/**
 * A part of the golden cases on the devices besides the CPU, chosen for the ops that differ between
 * them, and the table of all (docs/compatibility.md, written by `npm run compatibility`).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compatibilityPage } from '../scripts/compatibility/table.js';
import { parityTable } from '../src/parity/table.js';
import type { Verification } from '../src/parity/verify.js';
import { GOLDEN_LOOP } from '../src/parity/golden-loop.js';
import { goldenOn } from './support/golden-on.js';

/** By what they need: dilation with six channels, groups with a stride, three axes, pooling, resizing, .. */
const CASES = [
  'mfe.aspp_conv',
  'sk.a.2',
  'nonlocal.embedded_gaussian.3d.sub_bn',
  'nonlocal.gaussian.1d.one_channel',
  'osra.rpe_bicubic',
  'safm.3',
  'gather_excite.e2_mlp_max',
  'cbam.joint',
  'loss.cross_entropy',
];
const files = CASES.map((name) => join(import.meta.dirname, `fixtures/golden/${name}.safetensors`));

describe.each(['wasm', 'webgpu'] as const)('golden cases on %s', (device) => {
  it('hold', { timeout: 240_000 }, async ({ skip }) => {
    const results = await goldenOn(device, files);
    if ('missing' in results) return skip(results.missing);
    expect(results.filter(({ status }) => status !== 'pass')).toEqual([]);
    expect(results).toHaveLength(CASES.length);
  });
});

const result = (module: string, status: Verification['status'], message = ''): Verification => ({
  file: `/a/${module}.safetensors`,
  module,
  status,
  error: { eval: 3e-7, attn: null, train: null, state: null, grad: 2e-5 },
  message,
});

describe('the table', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/compatibility.md'), 'utf8');

  it.each([...Object.keys(parityTable), GOLDEN_LOOP])('has a row for %s', (id) => {
    expect(page).toMatch(
      new RegExp(`^\\| \`${id.replaceAll('.', '\\.')}\` +(\\| \\d+ of \\d+ +){3}\\|$`, 'm'),
    );
  });

  it('counts what holds and gives the reason of what does not', () => {
    const text = compatibilityPage([
      { device: 'cpu', where: 'here', results: [result('se.conv', 'pass'), result('sf', 'pass')] },
      {
        device: 'webgpu',
        where: 'there',
        results: [result('se.conv', 'pass'), result('sf', 'error', 'no such\nkernel | here')],
      },
    ]);
    expect(text).toContain('| `webgpu` | there | 1 of 2 |');
    expect(text).toContain('| `cpu` | 3.0e-7 | 0.0e+0 | 0.0e+0 | 0.0e+0 | 2.0e-5 |');
    expect(text).toContain('| `sf` | 1 of 1 | 0 of 1 |');
    expect(text).toContain('| `webgpu` | sf.safetensors | no such kernel \\| here |');
  });
});

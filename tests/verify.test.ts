/** `fovea verify` as a person meets it: the built program, in a process of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, it } from 'vitest';

import type { Verification } from '../src/parity/verify.js';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const golden = (name: string) =>
  fileURLToPath(new URL(`fixtures/golden/${name}.safetensors`, import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'fovea-verify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function verify(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'verify', ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function damaged(): string {
  const file = join(folder, 'damaged.safetensors');
  writeFileSync(file, readFileSync(golden('se.conv')).subarray(0, 1000));
  return file;
}

describe('fovea verify', () => {
  it('prints a row for each case and exits with 0 when all hold', () => {
    const { status, stdout, stderr } = verify(golden('se.conv'), golden('osra.sr1_rpe'));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^file +module +status +eval +attn +train +state +grad$/m);
    expect(stdout).toMatch(/^se\.conv\.safetensors +se\.conv +pass( +\d\.\de-\d+){3} +- +\d/m);
    expect(stdout).toMatch(/^2 cases: 2 passed$/m);
  });

  it('names what is wrong with a bad file, goes on with the others and exits with 1', () => {
    const absent = join(folder, 'absent.safetensors');
    const { status, stdout, stderr } = verify(absent, damaged(), golden('se.conv'), '--json');
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    const results = JSON.parse(stdout) as Verification[];
    expect(results.map((result) => result.status)).toEqual(['error', 'error', 'pass']);
    expect(results[0]?.message).toMatch(/absent\.safetensors.*no such file/);
    expect(results[1]?.message).toMatch(/damaged\.safetensors.*truncated/);
    for (const result of results) {
      expect(Object.keys(result)).toEqual(['file', 'module', 'status', 'error', 'message']);
      expect(Object.keys(result.error)).toEqual(['eval', 'attn', 'train', 'state', 'grad']);
    }
    const text = verify(damaged()).stdout;
    expect(text).toMatch(/^error: .*damaged\.safetensors.*truncated/m);
    expect(text).toMatch(/^1 case: 1 could not be compared$/m);
  });

  it('wants a file, and a device that exists', () => {
    expect(verify()).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('file') as string,
    });
    const { status, stderr } = verify(golden('se.conv'), '--device', 'abacus');
    expect(status).toBe(2);
    expect(stderr).toMatch(/Allowed choices are cpu, webgpu, cuda/);
  });
});

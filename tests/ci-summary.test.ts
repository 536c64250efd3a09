import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../scripts/ci-summary.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'fovea-summary-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(status: string, ...tests: string[]) {
  return { name: 'a.test.ts', status, assertionResults: tests.map((test) => ({ status: test })) };
}

/** The last line and the exit code for a report in vitest's JSON layout. */
function summary(report: unknown) {
  const path = join(folder, 'report.json');
  writeFileSync(path, JSON.stringify(report));
  return run(path);
}

function run(path: string) {
  const { stdout, status } = spawnSync(process.execPath, [script, path], { encoding: 'utf8' });
  return [stdout.trim().split('\n').at(-1), status];
}

describe('the last line of .ci/run', () => {
  it('counts what passed', () => {
    const report = { success: true, testResults: [file('passed', 'passed', 'passed')] };
    expect(summary(report)).toEqual(['2 passed, 0 failed', 0]);
  });

  it('counts skipped, pending and planned tests as skipped', () => {
    const tests = ['passed', 'skipped', 'pending', 'todo'];
    expect(summary({ success: true, testResults: [file('passed', ...tests)] })).toEqual([
      '1 passed, 0 failed, 3 skipped',
      0,
    ]);
  });

  it('fails when a test failed', () => {
    const testResults = [file('failed', 'passed', 'failed'), file('passed', 'passed')];
    expect(summary({ success: false, testResults })).toEqual(['2 passed, 1 failed', 1]);
  });

  it('counts a test file that could not be loaded as a failure', () => {
    const testResults = [file('failed'), file('passed', 'passed')];
    expect(summary({ success: false, testResults })).toEqual(['1 passed, 1 failed', 1]);
  });

  it('fails when something failed outside every test', () => {
    const testResults = [file('passed', 'passed')];
    expect(summary({ success: false, testResults })).toEqual(['1 passed, 1 failed', 1]);
  });

  it('fails without a report', () => {
    expect(run(join(folder, 'none.json'))).toEqual(['0 passed, 1 failed', 1]);
  });
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    environment: 'node',
    // Some tests start workers and bundles, which are made from the compiled package.
    globalSetup: 'tests/global-setup.ts',
    // ONNX Runtime uses every core by itself, and its native state does not share a process well.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The JSON report is what scripts/ci-summary.mjs counts.
    reporters: ['default', 'json'],
    outputFile: { json: 'coverage/tests.json' },
  },
});

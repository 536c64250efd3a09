/**
 * Prints the line that ends a run of .ci/run: `N passed, N failed` or `N passed, N failed, N skipped`.
 *
 *   node scripts/ci-summary.mjs [REPORT]      REPORT: vitest's JSON report (coverage/tests.json)
 *
 * Exit code 0 when nothing failed, 1 otherwise. A test file that could not be loaded, an error
 * outside every test and a missing report count as one failure: no test is better than its run.
 */
import { readFileSync } from 'node:fs';

function count(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.log(`No test report: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults) {
    const statuses = file.assertionResults.map((test) => test.status);
    for (const status of statuses) {
      counts[status === 'passed' || status === 'failed' ? status : 'skipped']++;
    }
    if (file.status === 'failed' && !statuses.includes('failed')) {
      console.log(`Could not be run: ${file.name}`);
      counts.failed++;
    }
  }
  if (!report.success && counts.failed === 0) {
    console.log('The test run failed outside its tests.');
    counts.failed++;
  }
  return counts;
}

const { passed, failed, skipped } = count(process.argv[2] ?? 'coverage/tests.json');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;

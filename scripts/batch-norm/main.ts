/**
 * `npm run batch-norm`: batch normalisation in training at large means, in both layouts, against float64
 * and beside PyTorch's own float32 errors; writes docs/results/batch-norm. Takes about a minute.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { batchNormErrors, given, recorded } from '../../src/testing/batch-norm-errors.node.js';
import { blockOfThisMachine } from '../../src/testing/check-lowering.node.js';

const folder = join(import.meta.dirname, '../../docs/results/batch-norm');
const block = await blockOfThisMachine();
const processor = `${cpus()[0]?.model ?? 'unknown processor'}, blocks of ${block}`;

const results = [];
for (const { shape, ratio, errors } of recorded.cases) {
  const values = given(shape, ratio);
  const [plain, blocked] = [await batchNormErrors(values, 0), await batchNormErrors(values, block)];
  results.push({ shape, ratio, blocked, plain, pytorch: errors });
}

const SHOWN = ['output', 'dx', 'dweight', 'dbias'];
const short = (error: number | undefined) => (error ?? NaN).toExponential(1);
const rows = results.map(({ shape, ratio, blocked, plain, pytorch }) => [
  `[${shape.join(', ')}]`,
  String(ratio),
  ...SHOWN.map((name) => [blocked, plain, pytorch].map((side) => short(side[name])).join(' / ')),
]);
/** Errors to three digits. */
const rounded = (_: string, value: unknown) =>
  typeof value === 'number' && value < 0.1 ? Number(value.toPrecision(3)) : value;
const head = ['map', 'mean / deviation', ...SHOWN];
const table = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);

const page = `# Batch normalisation far from zero

A 1x1 convolution that does nothing, batch normalisation in training and a 1x1 convolution, on maps whose mean is a number of deviations; the output, and the gradients of the map, the weight and the bias for a random cotangent. The largest error against float64 over the largest magnitude: blocked layout / plain layout / PyTorch ${recorded.torch} in float32 on the same numbers.

\`\`\`sh
/usr/bin/python3 tests/fixtures/batch-norm/generate.py   # PyTorch's errors
npm run batch-norm                                        # this page
\`\`\`

${processor}; Node ${process.version}. All figures, those of the running statistics too: [errors.json](errors.json). \`src/ops/batch-norm.test.ts\` holds output and gradients within four times PyTorch's.

${table.join('\n')}
`;
const file = join(folder, 'README.md');
writeFileSync(
  join(folder, 'errors.json'),
  `${JSON.stringify({ processor, results }, rounded, 1)}\n`,
);
writeFileSync(file, await format(page, { ...(await resolveConfig(file)), parser: 'markdown' }));
console.log('docs/results/batch-norm');

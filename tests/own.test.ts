/**
 * The programs of docs/your-own.md: each compiles against the package as it is published, trains by itself,
 * and is trained, compared, explained and exported by its name on the command line.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor as Graph } from '../src/tensor/tensor.js';
import { runFovea } from './support/command.js';

const root = join(import.meta.dirname, '..');
const EXAMPLES = join(root, 'docs', 'examples');
const NAMES = ['own-op', 'own-mechanism', 'own-model', 'own-data', 'own-task'];
// Inside the package, so that the programs can import it by its name.
mkdirSync(join(root, 'coverage'), { recursive: true });
const folder = mkdtempSync(join(root, 'coverage', 'own-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the compiler says of the programs; it writes them as JavaScript into the folder. */
function compile(): string[] {
  const program = ts.createProgram(
    NAMES.map((name) => join(EXAMPLES, `${name}.ts`)),
    {
      strict: true,
      exactOptionalPropertyTypes: true,
      noImplicitOverride: true,
      noUncheckedIndexedAccess: true,
      noUnusedLocals: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
      types: ['node'],
      skipLibCheck: true,
      outDir: folder,
      rootDir: EXAMPLES,
    },
  );
  program.emit();
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** Runs a command that must succeed, and gives back what it printed. */
async function fovea(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runFovea(folder, args);
  expect(code, `fovea ${args.join(' ')}\n${stderr}`).toBe(0);
  return stdout;
}

async function jsonIn(...path: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(folder, ...path), 'utf8')) as Record<string, unknown>;
}

/** What an exported network makes of images of zeros: each of its outputs, in their order. */
async function outputsOf(
  file: string,
  shape: readonly number[],
): Promise<{ readonly dims: readonly number[]; readonly data: number[] }[]> {
  const session = await InferenceSession.create(join(folder, file));
  const size = shape.reduce((product, n) => product * n, 1);
  const images = new Tensor('float32', new Float32Array(size), shape);
  const outputs = await session.run({ images });
  return session.outputNames.flatMap((name) => {
    const { dims, data } = outputs[name] ?? {};
    return dims ? [{ dims, data: Array.from(data as Float32Array) }] : [];
  });
}

let problems: readonly string[] = [];
beforeAll(() => {
  problems = compile();
}, 120_000);

const TINY = [
  ...['--limit-train', '40', '--limit-val', '20', '--epochs', '1', '--batch-size', '20'],
  ...['--warmup-epochs', '0', '--no-augment', '--threads', '1'],
];

/** How each is asked for by name, and what its network takes and gives. */
const BY_NAME = [
  {
    name: 'own-op',
    flags: ['--dataset', 'shapes', '--model', 'resnet20:width=4'],
    variant: 'softsign-gate',
    input: [2, 3, 32, 32],
    outputs: 10,
  },
  {
    name: 'own-mechanism',
    flags: ['--dataset', 'shapes', '--model', 'resnet20:width=4'],
    variant: 'deviation-gate:kernel=5',
    input: [2, 3, 32, 32],
    outputs: 10,
  },
  {
    name: 'own-model',
    flags: ['--dataset', 'shapes', '--model', 'small-net:width=8'],
    variant: 'se:ratio=4',
    input: [2, 3, 32, 32],
    outputs: 10,
  },
  {
    name: 'own-data',
    flags: ['--dataset', 'stripes', '--size', '16', '--model', 'resnet20:width=4'],
    variant: 'eca',
    input: [2, 1, 16, 16],
    outputs: 3,
  },
  {
    name: 'own-task',
    flags: [
      ...['--task', 'coverage', '--dataset', 'measured-shapes'],
      ...['--model', 'resnet20:width=4'],
    ],
    variant: 'eca',
    input: [2, 3, 32, 32],
    outputs: 1,
  },
] as const;

describe('the programs of docs/your-own.md', () => {
  it('compile, strictly', () => {
    expect(problems).toEqual([]);
  });

  it.each(NAMES)('%s is shown there as it is', (name) => {
    const page = readFileSync(join(root, 'docs', 'your-own.md'), 'utf8');
    const source = readFileSync(join(EXAMPLES, `${name}.ts`), 'utf8');
    expect(page).toContain(`\`\`\`ts\n${source}\`\`\``);
  });

  it.each(NAMES)(
    '%s trains its value when it is run',
    (name) => {
      const program = join(folder, `${name}.js`);
      const { stdout, stderr } = spawnSync(process.execPath, [program, '1'], { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(stdout).toMatch(/epoch: 1,/);
      expect(stdout).toMatch(/val_loss: \d/);
    },
    120_000,
  );

  it('the op has the gradient of its formula', async () => {
    const file = pathToFileURL(join(folder, 'own-op.js')).href;
    const { softsign } = (await import(file)) as { softsign: (inputs: object) => Graph };
    const { evaluateInFloat64, gradients, input, ndarray } = (await import(
      pathToFileURL(join(root, 'dist', 'index.js')).href
    )) as typeof import('../src/index.js');
    const x = input('x', [3]);
    const y = softsign({ x });
    const [slope = x] = gradients([y.sum()], [x]);
    const feeds = new Map([[x, ndarray([3], [-1, 0, 2])]]);
    const [value, gradient] = evaluateInFloat64([y, slope], feeds);
    expect(Array.from(value?.data ?? [])).toEqual([-1 / 2, 0, 2 / 3]);
    expect(Array.from(gradient?.data ?? [])).toEqual([1 / 4, 1, 1 / 9]);
  });
});

it('fovea list shows all of them with the modules imported', async () => {
  const imports = NAMES.flatMap((name) => ['--import', `./${name}.js`]);
  const listed = await fovea('list', ...imports);
  const ids = ['softsign-gate', 'deviation-gate', 'small-net', 'stripes', 'coverage'];
  for (const id of ids) expect(listed).toMatch(new RegExp(`^${id} `, 'm'));
  expect(await fovea('list', 'attention/deviation-gate:kernel=5', ...imports)).toContain(
    'options: kernel=5',
  );
});

describe.each(BY_NAME)('$name by its name', ({ name, flags, variant, input, outputs }) => {
  const shared = ['--import', `./${name}.js`, ...flags, ...TINY];

  it('is trained, evaluated, explained and exported', async () => {
    const run = join('runs', name);
    await fovea('train', ...shared, '--attention', variant, '--output', run);
    const summary = await jsonIn(run, 'summary.json');
    const { primary } = summary as { readonly primary: { readonly name: string } };
    const figures = JSON.parse(await fovea('eval', '--run', run, '--json')) as object;
    expect(figures).toHaveProperty(primary.name, summary[`best_${primary.name}`]);

    await fovea('explain', '--run', run, '--count', '2', '--localise', '0');
    const { images, maps, gates } = (await jsonIn(run, 'explanation', 'index.json')) as {
      readonly [what: string]: unknown[];
    };
    expect(images).toHaveLength(2);
    // What the mechanism exposes, and of classes Grad-CAM.
    expect([...(maps ?? []), ...(gates ?? [])].length).toBeGreaterThan(0);

    await fovea('export', '--run', run, '--output', `${name}.onnx`, '--expose');
    const [first] = await outputsOf(`${name}.onnx`, input);
    expect(first?.dims).toEqual([2, outputs]);
    expect(first?.data.every(Number.isFinite)).toBe(true);
  }, 180_000);

  it('is compared', async () => {
    const place = join('comparisons', name);
    await fovea('compare', ...shared, '--attention', variant, '--seeds', '1', '--output', place);
    const ledger = JSON.stringify(await jsonIn(place, 'ledger.json'));
    expect(ledger.match(/"done"/g)).toHaveLength(2);
    expect(await readFile(join(folder, place, 'report.html'), 'utf8')).toContain(variant);
  }, 180_000);
});

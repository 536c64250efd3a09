/** The pages of docs/mechanisms say what the sources say, and their examples run. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FOLDER, makePages } from '../scripts/docs/pages.js';
import { attention } from '../src/attention/index.js';
import { parityTable } from '../src/parity/table.js';
import { verifyCase } from '../src/parity/verify.js';
import { createRuntime } from '../src/runtime/node/create.js';
import { readFileChecked } from '../src/formats/node/files.js';

const root = join(import.meta.dirname, '..');
// Inside the package, so that the examples can import it by its name.
mkdirSync(join(root, 'coverage'), { recursive: true });
const folder = mkdtempSync(join(root, 'coverage', 'examples-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const page = (id: string) => readFileSync(new URL(`${id}.md`, FOLDER), 'utf8');

/** The program of a page, and the lines that its last comments promise. */
function exampleOf(id: string): { code: string; promised: string[] } {
  const code = /```ts\n(.*?)```/s.exec(page(id))?.[1] ?? '';
  const lines = code.trimEnd().split('\n');
  const start = lines.findLastIndex((line) => !line.startsWith('// ')) + 1;
  return { code, promised: lines.slice(start).map((line) => line.slice(3)) };
}

describe('docs/mechanisms', () => {
  it('is what `npm run docs` makes of the sources', async () => {
    const pages = await makePages();
    expect(readdirSync(FOLDER).sort()).toEqual([...pages.keys()].sort());
    for (const [name, text] of pages) {
      expect(readFileSync(new URL(name, FOLDER), 'utf8'), `${name}: run npm run docs`).toBe(text);
    }
  });

  const ids = attention.list().map(({ id }) => id);

  it.each(ids)('%s: the page has a formula, gates, options and an example', (id) => {
    const text = page(id);
    for (const heading of [
      'Formula',
      'Step by step',
      'What can be seen inside',
      'Cost',
      'Options',
      'Example',
    ]) {
      expect(text).toContain(`\n## ${heading}\n`);
    }
    expect(text).toMatch(/## Formula\n\n```text\n/);
    expect(text).toContain('```mermaid\nflowchart');
    expect(text).toMatch(/\| `\w[\w.]*` +\| \[[\d, ]+\] +\|/);
    // Every option that the registry knows is explained.
    for (const option of Object.keys(attention.get(id).options)) {
      expect(text).toMatch(new RegExp(`\\| \`${option}\` +\\|.*\\| +\\S[^|]+\\|\\n`));
    }
  });

  it('every example runs and prints the shapes that it promises', () => {
    for (const id of ids) writeFileSync(join(folder, `${id}.mjs`), exampleOf(id).code);
    const runner = join(folder, 'run.mjs');
    const imports = ids.map((id) => `console.log('# ${id}');\nawait import('./${id}.mjs');`);
    writeFileSync(runner, imports.join('\n'));
    const { stdout, stderr } = spawnSync(process.execPath, [runner], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const printed = new Map(
      stdout
        .split('# ')
        .slice(1)
        .map((part) => {
          const [id = '', ...lines] = part.trimEnd().split('\n');
          return [id, lines];
        }),
    );
    for (const id of ids) {
      const { promised } = exampleOf(id);
      expect(promised[0]).toMatch(/^output \[/);
      expect(printed.get(id), id).toEqual(promised);
    }
  }, 180_000);
});

/** A Python that has PyTorch. */
const python = ['/usr/bin/python3', 'python3'].find(
  (one) => spawnSync(one, ['-B', '-c', 'import torch']).status === 0,
);

describe('docs/golden-cases.md', () => {
  const text = readFileSync(join(root, 'docs', 'golden-cases.md'), 'utf8');

  it.skipIf(python === undefined)(
    'its snippet, run by PyTorch, writes a case that passes (skipped without PyTorch)',
    async () => {
      const code = [...text.matchAll(/```python\n(.*?)```/gs)].map(([, block]) => block);
      expect(code.length).toBe(2);
      const script = join(folder, 'snippet.py');
      writeFileSync(script, code.join('\n'));
      const { stderr } = spawnSync(python ?? '', ['-B', script], { cwd: folder, encoding: 'utf8' });
      expect(stderr).toBe('');
      const file = join(folder, 'my-se.safetensors');
      const runtime = await createRuntime('cpu', { worker: false });
      const result = await verifyCase(file, () => readFileChecked(file), runtime);
      await runtime.close();
      expect(result).toMatchObject({ module: 'se.conv', status: 'pass', message: '' });
      expect(result.error.attn).toBeLessThan(1e-5);
      expect(result.error.grad).toBeLessThan(1e-5);
    },
    120_000,
  );

  it('names every id that can be verified', () => {
    const named = [...text.matchAll(/`([a-z_]+(?:\.\w+)*)`/g)].map(([, id]) => id);
    const ids = Object.keys(parityTable).filter((id) => !/^nonlocal\..*d$/.test(id));
    expect(ids.filter((id) => !named.includes(id))).toEqual([]);
    expect(text).toContain('`nonlocal.KIND.Nd`');
  });
});

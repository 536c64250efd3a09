/** The program of docs/adding-a-mechanism.md compiles against the package as it is published, and runs. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
// Inside the package, so that the program can import it by its name.
mkdirSync(join(root, 'coverage'), { recursive: true });
const folder = mkdtempSync(join(root, 'coverage', 'mechanism-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const text = readFileSync(join(root, 'docs', 'adding-a-mechanism.md'), 'utf8');
const code = /```ts\n(import .*?)```/s.exec(text)?.[1] ?? '';

/** What the compiler says of a program, as one line each; it writes JavaScript beside it. */
function compile(name: string, source: string): string[] {
  const file = join(folder, name);
  writeFileSync(file, source);
  const program = ts.createProgram([file], {
    strict: true,
    exactOptionalPropertyTypes: true,
    noImplicitOverride: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
    types: [],
    skipLibCheck: true,
    declaration: true,
  });
  program.emit();
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('the program of docs/adding-a-mechanism.md', () => {
  it('compiles, and makes a network with the mechanism in every block', async () => {
    expect(compile('my-zoo.mts', code)).toEqual([]);
    const made = (await import(pathToFileURL(join(folder, 'my-zoo.mjs')).href)) as {
      deviation: { create: (channels: number, options: object) => unknown };
      model: { namedParameters: () => Iterable<[string, { shape: readonly number[] }]> };
    };
    const shapes = new Map([...made.model.namedParameters()].map(([n, { shape }]) => [n, shape]));
    expect(shapes.get('layer3.2.attention.conv.weight')).toEqual([1, 1, 5, 5]);
    expect(() => made.deviation.create(8, { kernel: 4 })).toThrow(
      "The option 'kernel' of the attention 'deviation' must be 1, 3 or 5 (default 3), not 4.",
    );
  }, 120_000);

  it('does not compile with a name that is not there', () => {
    const wrong = code.replace('attention: deviation.with({ kernel: 5 })', "attention: 'deviaton'");
    expect(wrong).not.toBe(code);
    expect(compile('wrong.mts', wrong).join('\n')).toMatch(/'"deviaton"' is not assignable/);
  }, 120_000);
});

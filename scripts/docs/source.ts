/** The headers of the zoo's classes: what they say about formula, shapes, cost and limits. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** A class as its file presents it. */
export interface ClassSource {
  /** Below the root of the repository: `src/attention/channel/eca.ts`. */
  readonly file: string;
  /** The comment above it, as lines. */
  readonly header: readonly string[];
}

export interface Sources {
  /** @throws Error if no class of the zoo has the name */
  classOf(name: string): ClassSource;
  has(name: string): boolean;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const ZOO = 'src/attention/';

/** Reads all of src/attention. */
export function readSources(): Sources {
  const classes = new Map<string, ClassSource>();
  const names = readdirSync(root + ZOO, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((one) => one.endsWith('.ts') && !one.endsWith('.test.ts'))) {
    const file = `${ZOO}${name.replaceAll('\\', '/')}`;
    const text = readFileSync(root + file, 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
    for (const statement of source.statements) {
      if (!ts.isClassDeclaration(statement) || !statement.name) continue;
      classes.set(statement.name.text, { file, header: commentOf(statement) });
    }
  }
  return {
    classOf: (name) => {
      const found = classes.get(name);
      if (found === undefined) throw new Error(`src/attention has no class ${name}.`);
      return found;
    },
    has: (name) => classes.has(name),
  };
}

/** The lines of the comment above a node, without its frame and from its first tag on. */
function commentOf(node: ts.Node): string[] {
  const comment = ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc);
  if (comment === undefined) return [];
  const lines = comment
    .getText()
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  const tag = lines.findIndex((line) => line.startsWith('@'));
  const text = tag === -1 ? lines : lines.slice(0, tag);
  return text.join('\n').trim().split('\n');
}

/** What the sources of the zoo say about themselves: headers of classes, and their options. */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { withoutLinks } from './header.js';

/** A class as its file presents it. */
export interface ClassSource {
  /** Below the root of the repository: `src/attention/channel/eca.ts`. */
  readonly file: string;
  /** The comment above it, as lines. */
  readonly header: readonly string[];
}

/** One option, from the interface that a constructor takes. */
export interface OptionSource {
  readonly name: string;
  /** Its type in TypeScript, aliases written out. */
  readonly type: string;
  readonly text: string;
}

export interface Sources {
  /** @throws Error if no class of the zoo has the name */
  classOf(name: string): ClassSource;
  has(name: string): boolean;
  /** The options that the interfaces `NAMEOptions` and `NAMEChoice` declare, inherited ones first. */
  optionsOf(className: string): readonly OptionSource[];
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const ZOO = `${root}src/attention/`;

/** Reads all of src/attention, with types. */
export function readSources(): Sources {
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    types: [],
    skipLibCheck: true,
  };
  const program = ts.createProgram([`${ZOO}index.ts`], options);
  const checker = program.getTypeChecker();
  const classes = new Map<string, ClassSource>();
  const interfaces = new Map<string, ts.InterfaceDeclaration>();
  for (const source of program.getSourceFiles()) {
    if (!source.fileName.startsWith(ZOO)) continue;
    for (const statement of source.statements) {
      if (ts.isInterfaceDeclaration(statement)) interfaces.set(statement.name.text, statement);
      if (ts.isClassDeclaration(statement) && statement.name) {
        const file = source.fileName.slice(root.length);
        classes.set(statement.name.text, { file, header: commentOf(statement) });
      }
    }
  }
  const describe = (member: ts.Symbol): OptionSource[] => {
    const declaration = member.declarations?.[0];
    if (!declaration || !ts.isPropertySignature(declaration) || !declaration.type) return [];
    const type = checker.getTypeFromTypeNode(declaration.type);
    const text = withoutLinks(commentOf(declaration).join(' ').trim(), '`$1`');
    return [{ name: member.name, type: inWords(type, checker), text }];
  };
  return {
    classOf: (name) => {
      const found = classes.get(name);
      if (found === undefined) throw new Error(`src/attention has no class ${name}.`);
      return found;
    },
    has: (name) => classes.has(name),
    optionsOf: (className) => {
      const found = new Map<string, OptionSource>();
      for (const suffix of ['Choice', 'Options']) {
        const declaration = interfaces.get(`${className}${suffix}`);
        if (declaration === undefined) continue;
        for (const member of checker.getTypeAtLocation(declaration).getProperties()) {
          for (const option of describe(member)) found.set(option.name, option);
        }
      }
      return [...found.values()];
    },
  };
}

/** A type with its aliases written out, and without the `undefined` of an option that may be left out. */
function inWords(type: ts.Type, checker: ts.TypeChecker): string {
  const names = (type.isUnion() ? type.types : [type]).map((one) => checker.typeToString(one));
  return names
    .filter((name) => name !== 'undefined')
    .join(' | ')
    .replace('false | true', 'boolean');
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

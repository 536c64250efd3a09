import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/**
 * What the compiler has to say about some programs, with this project's settings.
 * @param sources by name; their relative imports are those of a file in `src`
 * @returns the messages about each
 */
export function complaintsAbout(sources: Readonly<Record<string, string>>): Map<string, string[]> {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const names = Object.keys(sources);
  const paths = names.map((_, i) => `${root}src/program-${i}-of-a-test.ts`);
  const given = new Map(paths.map((path, i) => [path, sources[names[i] ?? ''] ?? '']));
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram(paths, options, {
    ...host,
    fileExists: (path) => given.has(path) || host.fileExists(path),
    readFile: (path) => given.get(path) ?? host.readFile(path),
    getSourceFile: (path, languageVersion, ...rest) => {
      const source = given.get(path);
      return source === undefined
        ? host.getSourceFile(path, languageVersion, ...rest)
        : ts.createSourceFile(path, source, languageVersion);
    },
  });
  return new Map(
    paths.map((path, i) => [
      names[i] ?? '',
      ts
        .getPreEmitDiagnostics(program, program.getSourceFile(path))
        .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    ]),
  );
}

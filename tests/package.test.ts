/** The package as strangers get it: what it exports, that it says what that is, and that its types hold. */
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installCommand } from '../src/packages.node.js';

const root = join(import.meta.dirname, '..');
const description = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional: boolean }>;
};

/** Subpaths that are made of modules with types, and the file of `src` that each is compiled from. */
const entries = Object.entries(description.exports).flatMap(([subpath, target]) =>
  typeof target === 'string'
    ? []
    : [{ subpath, source: target.default.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts') }],
);

describe('what is public', () => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) =>
    ts.sys.readFile(path),
  ) as { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const files = entries.map(({ source }) => join(root, source));
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();

  const publicSymbols = (source: string): ts.Symbol[] => {
    const file = program.getSourceFile(join(root, source));
    const module = file && checker.getSymbolAtLocation(file);
    return module ? checker.getExportsOfModule(module) : [];
  };
  const original = (symbol: ts.Symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

  it.each(entries)('$subpath has the names that are recorded', async ({ source }) => {
    const values = publicSymbols(source)
      .filter((symbol) => original(symbol).flags & ts.SymbolFlags.Value)
      .map(({ name }) => name)
      .sort();
    await expect(`${values.join('\n')}\n`).toMatchFileSnapshot(
      join(root, 'tests/fixtures/public', `${source.slice(4, -3).replaceAll('/', '-')}.txt`),
    );
  });

  it('every function and class says what it does', () => {
    const isCode = (symbol: ts.Symbol) =>
      [ts.SymbolFlags.Function, ts.SymbolFlags.Class].some((flag) => symbol.flags & flag) ||
      checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0;
    const silent = entries.flatMap(({ subpath, source }) =>
      publicSymbols(source)
        .filter((symbol) => {
          const declared = original(symbol);
          return isCode(declared) && declared.getDocumentationComment(checker).length === 0;
        })
        .map(({ name }) => `${subpath}: ${name}`),
    );
    expect(silent).toEqual([]);
  });
});

describe('what is installed', () => {
  it('packages for Node are optional, and no dependency: a browser project does without them', () => {
    const peers = Object.keys(description.peerDependencies);
    expect(peers).toContain('onnxruntime-node');
    expect(Object.keys(description.peerDependenciesMeta)).toEqual(peers);
    for (const peer of peers) {
      expect(description.peerDependenciesMeta[peer]).toEqual({ optional: true });
      expect(description.dependencies).not.toHaveProperty(peer);
      // This checkout tests with the versions that are asked for.
      expect(description.devDependencies[peer]).toBe(description.peerDependencies[peer]);
    }
  });

  it('the command that installs them is the one of docs/install.md', () => {
    expect(readFileSync(join(root, 'docs/install.md'), 'utf8')).toContain(installCommand());
  });
});

describe('the packed package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-packed-'));
  const installed = join(folder, 'node_modules/fovea');
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  beforeAll(() => {
    const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    });
    const archive = packed.stdout.trim();
    expect(archive, packed.stderr).toMatch(/\.tgz$/);
    mkdirSync(installed, { recursive: true });
    const unpacked = spawnSync('tar', ['-xzf', archive, '--strip-components=1', '-C', installed], {
      cwd: folder,
    });
    expect(unpacked.status).toBe(0);
    const wanted = [...Object.keys(description.dependencies), '@types/node'];
    for (const name of wanted) {
      const link = join(folder, 'node_modules', name);
      mkdirSync(join(link, '..'), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), link, 'dir');
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  });

  const run = (args: readonly string[]) =>
    spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });

  it('has types that hold without skipLibCheck, also where no package for Node is installed', () => {
    const imports = entries.map(
      ({ subpath }, i) => `export * as entry${i} from 'fovea${subpath.slice(1)}';`,
    );
    writeFileSync(join(folder, 'all.ts'), imports.join('\n'));
    const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    const settings = '--strict --noEmit --target es2022 --lib es2023,dom --types node'.split(' ');
    for (const resolution of ['nodenext', 'bundler']) {
      const module = resolution === 'bundler' ? 'esnext' : resolution;
      const { stdout } = run([
        ...[compiler, ...settings],
        ...['--module', module, '--moduleResolution', resolution, 'all.ts'],
      ]);
      expect(stdout).toBe('');
    }
  });

  it('has types without what TypeScript knows only from 5.7 on: typed arrays of a kind of buffer', () => {
    const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    const { stdout } = run([compiler, '--module', 'nodenext', '--listFilesOnly', 'all.ts']);
    const files = stdout.split('\n').filter((path) => /node_modules|\/dist\//.test(path));
    const newer = files.filter(
      (path) =>
        !/@types\/node|typescript\/lib/.test(path) &&
        /\b\w+Array<ArrayBuffer/.test(readFileSync(path, 'utf8')),
    );
    expect(files.length).toBeGreaterThan(100);
    expect(newer).toEqual([]);
  });

  it('runs its entries that need no package for Node', () => {
    const runs = entries.filter(({ subpath }) => subpath !== './node');
    const program = runs.map(({ subpath }) => `await import('fovea${subpath.slice(1)}');`).join('');
    expect(run(['--input-type=module', '-e', program])).toMatchObject({ status: 0, stderr: '' });
  });

  it('says what to install where the command line finds a package missing', () => {
    const { status, stderr } = run([join(installed, 'dist/cli/bin.js'), 'list']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^fovea: The package '[^']+' is not installed\. In Node, Fovea needs/);
    expect(stderr).toContain(installCommand());
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('says so for a runtime', () => {
    const program = `
      import { createRuntime } from '${join(installed, 'dist/runtime/node/create.js')}';
      await createRuntime('cpu', { worker: process.argv[1] === 'thread' }).catch(({ message }) => {
        console.log(message);
      });`;
    for (const where of ['here', 'thread']) {
      const { stdout } = run(['--input-type=module', '-e', program, where]);
      expect(stdout).toContain("The package 'onnxruntime-node' is not installed.");
      expect(stdout).toContain(installCommand());
    }
  });

  it('has source maps with their sources in them', () => {
    const maps = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.js.map'),
    );
    expect(maps.length).toBeGreaterThan(100);
    for (const map of maps) {
      const { sourcesContent } = JSON.parse(readFileSync(join(installed, 'dist', map), 'utf8')) as {
        sourcesContent?: string[];
      };
      expect(sourcesContent?.[0]?.length, map).toBeGreaterThan(0);
    }
  });
});

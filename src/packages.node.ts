/**
 * Packages that only Node needs: optional peers of this one, so that a browser project does without
 * their 300 MB. package.json has the list; here is what is said where one is missing.
 */
import { createRequire } from 'node:module';
import { FoveaError } from './errors.js';

const { peerDependencies } = createRequire(import.meta.url)('../package.json') as {
  readonly peerDependencies: Readonly<Record<string, string>>;
};

/**
 * The command that installs all packages that Fovea needs in Node. Install scripts are left out: the
 * only one there is fetches CUDA's libraries from outside the registry.
 */
export function installCommand(): string {
  const packages = Object.entries(peerDependencies).map(([name, range]) => {
    const [, version = range] = /^\^(0\.\d+|[1-9]\d*)\./.exec(range) ?? [];
    return `${name}@${version}`;
  });
  return `npm install --ignore-scripts ${packages.join(' ')}`;
}

/**
 * Loads a module that needs a package for Node.
 *
 * @example
 * const { Parser } = await loadForNode(() => import('tar'));
 *
 * @throws FoveaError if the package is not installed; says how it is
 */
export async function loadForNode<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw withInstallCommand(error);
  }
}

/**
 * The same at once, for what must not wait; of a package that Node can load so.
 * @throws FoveaError if the package is not installed; says how it is
 */
export function requireForNode(name: string): unknown {
  try {
    return createRequire(import.meta.url)(name);
  } catch (error) {
    throw withInstallCommand(error);
  }
}

/** An error as it is; that of a package for Node that is missing, with the command that installs it. */
function withInstallCommand(error: unknown): unknown {
  const missing = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];
  if (!(error instanceof Error && 'code' in error && missing.includes(String(error.code)))) {
    return error;
  }
  const [, module = ''] = /^Cannot find (?:package|module) '([^']+)'/.exec(error.message) ?? [];
  const name = Object.keys(peerDependencies).find((peer) => `${module}/`.startsWith(`${peer}/`));
  if (name === undefined) return error;
  return new FoveaError(
    `The package '${name}' is not installed. In Node, Fovea needs packages that a browser does without: ${installCommand()}`,
    { cause: error },
  );
}

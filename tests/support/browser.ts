/** A page in headless Chromium, bundled from a TypeScript file and served with cross-origin isolation. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { build, type Plugin } from 'vite';

const root = join(import.meta.dirname, '../..');

const PLACES = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** A Chromium on this machine, if there is one. */
export function findChromium(): string | undefined {
  return PLACES.find((path) => path !== undefined && existsSync(path));
}

const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // WebGPU without a GPU, by SwiftShader.
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
];

const MIME: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** What a person bundles is the compiled package, so that the page is made from it too. */
const compiled: Plugin = {
  name: 'compiled package',
  enforce: 'pre',
  resolveId(source, importer) {
    if (!source.startsWith('.') || importer === undefined) return null;
    const path = resolve(dirname(importer), source);
    const sources = join(root, 'src/');
    return path.startsWith(sources) ? join(root, 'dist', path.slice(sources.length)) : null;
  },
};

/** Bundles a folder with an index.html as Vite does for a person who has set nothing up. */
export async function bundlePage(folder: string, output: string): Promise<void> {
  await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    plugins: [compiled],
    worker: { plugins: () => [compiled] },
    build: { outDir: output, emptyOutDir: true },
  });
}

async function serveFolder(folder: string): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const file = join(folder, path === '/' ? 'index.html' : path);
    readFile(file).then(
      (body) => {
        response.writeHead(200, {
          'content-type': MIME[extname(file)] ?? 'application/octet-stream',
          // Threads of WebAssembly need these.
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-embedder-policy': 'require-corp',
        });
        response.end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { server, url: `http://127.0.0.1:${port}/` };
}

export interface TestPage {
  /** Evaluates an expression in the page; a promise is waited for. */
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Bundles, serves and opens a page. */
export async function openPage(folder: string, executablePath: string): Promise<TestPage> {
  const output = await mkdtemp(join(tmpdir(), 'fovea-page-'));
  await bundlePage(folder, output);
  const { server, url } = await serveFolder(output);
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const page = await browser.newPage();
  await page.goto(url);
  return {
    evaluate: (expression) => page.evaluate(expression),
    close: async () => {
      await browser.close();
      server.close();
      await rm(output, { recursive: true });
    },
  };
}

/** Golden cases on a device, as a person would run them: in the built program, or in a page. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Verification } from '../../src/parity/verify.js';
import { findChromium, openPage } from './browser.js';
import { gpuEnvironment } from './gpu-environment.js';

/** Devices that golden cases are run on: `cpu` and `webgpu` in Node, `wasm` in Chromium. */
export const GOLDEN_DEVICES = ['cpu', 'wasm', 'webgpu'] as const;
export type GoldenDevice = (typeof GOLDEN_DEVICES)[number];

/** Why a device cannot be had here. */
export interface Missing {
  readonly missing: string;
}

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/**
 * Runs cases on a device, all in one process or page.
 * @param files paths of the cases
 */
export function goldenOn(
  device: GoldenDevice,
  files: readonly string[],
): Promise<Verification[] | Missing> {
  return device === 'wasm' ? inPage(files) : inNode(device, files);
}

async function inNode(
  device: 'cpu' | 'webgpu',
  files: readonly string[],
): Promise<Verification[] | Missing> {
  const child = spawn(process.execPath, [MAIN, 'verify', '--device', device, '--json', ...files], {
    env: gpuEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const end = await new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? String(code)));
  });
  if (end === '2') return { missing: errors.trim() };
  if (end === '0' || end === '1') return JSON.parse(output) as Verification[];
  throw new Error(`The process on ${device} ended with ${end}:\n${errors}`);
}

async function inPage(files: readonly string[]): Promise<Verification[] | Missing> {
  const chromium = findChromium();
  if (chromium === undefined) return { missing: 'no browser was found: set CHROMIUM_PATH' };
  const page = await openPage(join(import.meta.dirname, 'golden-page'), chromium);
  try {
    const cases = await Promise.all(
      files.map(async (file) => [basename(file), await readFile(file, 'base64')]),
    );
    return JSON.parse(
      String(await page.evaluate(`page.verify(${JSON.stringify(cases)})`)),
    ) as Verification[];
  } finally {
    await page.close();
  }
}

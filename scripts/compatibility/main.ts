/**
 * `npm run compatibility [-- FOLDER]`: runs the golden cases of a folder on every device and writes
 * docs/compatibility.md. By default the whole set beside the repository, else tests/fixtures/golden.
 * Takes about ten minutes where WebGPU has no GPU. Exits with 1 if a case does not hold, and writes
 * nothing if a device is missing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { findChromium } from '../../tests/support/browser.js';
import { GOLDEN_DEVICES, goldenOn, type GoldenDevice } from '../../tests/support/golden-on.js';
import { compatibilityPage, type DeviceResults } from './table.js';

const root = join(import.meta.dirname, '../..');
const page = join(root, 'docs/compatibility.md');

const whole = join(root, '../shared/fixtures');
const folder = resolve(
  process.argv[2] ?? (existsSync(whole) ? whole : join(root, 'tests/fixtures/golden')),
);
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.safetensors'))
  .map((file) => join(folder, file));

function version(name: string): string {
  const file = join(root, 'node_modules', name, 'package.json');
  const { version: number } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return `${name} ${number}`;
}

function placeOf(device: GoldenDevice): string {
  if (device !== 'wasm') {
    const driver =
      device === 'webgpu' ? ', a Vulkan driver (SwiftShader where there is no GPU)' : '';
    return `Node ${process.versions.node}, ${version('onnxruntime-node')}${driver}`;
  }
  const chromium = execFileSync(findChromium() ?? '', ['--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return `${chromium.trim().split(' ').slice(0, 2).join(' ')}, ${version('onnxruntime-web')}`;
}

const devices: DeviceResults[] = [];
for (const device of GOLDEN_DEVICES) {
  const results = await goldenOn(device, files);
  if ('missing' in results) {
    console.error(`Nothing was written: the device '${device}' is missing. ${results.missing}`);
    process.exit(1);
  }
  const failed = results.filter(({ status }) => status !== 'pass').length;
  console.log(`${device}: ${results.length - failed} of ${results.length} cases hold`);
  if (failed > 0) process.exitCode = 1;
  devices.push({ device, where: placeOf(device), results });
}
const config = (await resolveConfig(page)) ?? {};
const text = await format(compatibilityPage(devices), { ...config, parser: 'markdown' });
writeFileSync(page, text);
console.log('docs/compatibility.md');

import { existsSync } from 'node:fs';

const SWIFTSHADER = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];

/** The environment of a process that may use WebGPU: with SwiftShader, unless a driver is named already. */
export function gpuEnvironment(): NodeJS.ProcessEnv {
  const driver = SWIFTSHADER.find((path) => existsSync(path));
  return driver === undefined ? process.env : { VK_ICD_FILENAMES: driver, ...process.env };
}

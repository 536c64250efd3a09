/** Fovea in a browser: everything of `fovea`, and runtimes on WebAssembly and WebGPU. */
export * from './index.js';
export { createRuntime, type WebRuntimeOptions } from './runtime/web/create.js';
export type { WebDevice, WebEngineOptions } from './runtime/web/engine.js';

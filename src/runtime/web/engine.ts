import type { Env } from 'onnxruntime-common';
import { DeviceError } from '../../errors.js';
import { Engine, type Ort } from '../engine.js';
import { probe } from '../probe.js';

/** Devices of a browser. */
export type WebDevice = 'wasm' | 'webgpu';

/** What an engine in a browser can be told. */
export interface WebEngineOptions {
  /**
   * Where ONNX Runtime's WebAssembly files are: the URL of a folder, ending in a slash, or URLs of
   * the files. By default beside the script that contains ONNX Runtime, where Vite puts them.
   */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
  /**
   * Threads within one operator. Default: half of the cores, at most 4. Without cross-origin
   * isolation (headers COOP same-origin, COEP require-corp) there is one, which takes longer and
   * gives the same numbers.
   */
  readonly threads?: number;
}

/** An onnxruntime-web package. */
export type WebOrt = Ort & { readonly env: Env };

/**
 * An engine on onnxruntime-web, in this thread.
 * @throws DeviceError if the browser does not have the device or it does not start, naming what is there
 */
export async function createEngine(
  ort: WebOrt,
  device: WebDevice,
  { wasmPaths, threads }: WebEngineOptions,
): Promise<Engine> {
  if (device === 'webgpu' && !('gpu' in navigator)) {
    throw new DeviceError(
      "The device 'webgpu' is not to be had: this browser has no WebGPU, or the page does not come from https or localhost. The device 'wasm' is.",
    );
  }
  ort.env.logLevel = 'error';
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
  if (threads !== undefined) ort.env.wasm.numThreads = threads;
  const engine = new Engine(ort, device);
  const reason = await probe(engine);
  if (reason === undefined) return engine;
  const advice =
    device === 'webgpu'
      ? "The device 'wasm' may be"
      : "It needs ONNX Runtime's .wasm file beside its script, or where the option wasmPaths says";
  throw new DeviceError(`The device '${device}' is not to be had: ${reason}. ${advice}.`);
}

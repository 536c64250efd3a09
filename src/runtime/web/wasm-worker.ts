/** The engine's worker in a browser, for the device `wasm`. */
import * as ort from 'onnxruntime-web/wasm';
import { serve } from './serve.js';

serve(ort, 'wasm');

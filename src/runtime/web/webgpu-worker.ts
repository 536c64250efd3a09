/** The engine's worker in a browser, for the device `webgpu`. */
import * as ort from 'onnxruntime-web/webgpu';
import { serve } from './serve.js';

serve(ort, 'webgpu');

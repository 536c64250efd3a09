/** Graphs as ONNX files. */
export { lowerToOnnx, type Graph, type LowerOptions } from './lower.js';

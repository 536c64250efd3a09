/**
 * Finding out the size of a block: it depends on the processor, and a wrong one gives wrong values
 * without any error.
 */
import type { TensorData } from '../../tensor/op.js';
import { GraphEmitter } from '../emitter.js';
import { writeModel } from '../model.js';
import { DOMAIN } from './layout.js';

/** Channels of the trial's map, which has two places: a multiple of every block that there is. */
const CHANNELS = 64;

/** The input of the trial, named x: 0, 1, 2, ... */
export function trialInput(): Float32Array {
  return Float32Array.from({ length: 2 * CHANNELS }, (_, i) => i);
}

/** A model that brings a map x [1, 64, 1, 2] into blocks and shows the memory as it then is, as y. */
export function trialModel(): Uint8Array {
  const emit = new GraphEmitter('cpu');
  const blocked = emit.node('ReorderInput', ['x'], { channels_last: 0 }, DOMAIN);
  const shape = emit.constant([2 * CHANNELS], [1], 'int64');
  const flat = emit.node('Reshape', [blocked, shape]);
  return writeModel({
    nodes: emit.nodes,
    initializers: emit.initializers,
    inputs: [{ name: 'x', shape: [1, CHANNELS, 1, 2], dtype: 'float32' }],
    outputs: [{ name: flat, shape: [2 * CHANNELS], dtype: 'float32' }],
  });
}

/** The size of a block, read off the trial's output: the place of channel 0's second pixel; 0 if it makes no sense. */
export function trialBlock(output: TensorData | undefined): number {
  const block = Array.from(output ?? [], Number).indexOf(1);
  return [8, 16, 32].includes(block) ? block : 0;
}

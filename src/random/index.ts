/** Random numbers that are the same everywhere: see {@link RandomStream}. */
export { RandomStream } from './stream.js';
export { threefry4x32 } from './threefry.js';

/** Differentiation: the gradient of a graph is more graph. */
export { gradients } from './gradients.js';

import { requireForNode } from '../../../packages.node.js';

/** The library that decodes and encodes pictures, which only a program that has pictures needs. */
export function imageLibrary(): typeof import('@napi-rs/image') {
  return requireForNode('@napi-rs/image') as typeof import('@napi-rs/image');
}

/**
 * The lowerings for WebGPU on WebGPU's own kernels, gradients included. Runs where a Vulkan driver
 * is named, for example VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json for one without
 * a GPU; elsewhere these lowerings are checked with the CPU's kernels by the other tests.
 */
import { describe, expect, it } from 'vitest';
import { checkLowering } from '../testing/check-lowering.node.js';
import type { Build } from '../testing/check-gradient.js';
import { positiveArray, tiedArray } from '../testing/values.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Shape } from '../tensor/shape.js';
import { batchNorm, normalizeBy, where } from './index.js';

const CASES: Record<string, [Build, ...(Shape | NdArray)[]]> = {
  'convolution in one dimension': [
    (x, w) => x.conv(w, undefined, { padding: 1 }),
    [2, 4, 7],
    [4, 4, 3],
  ],
  'convolution with a stride': [
    (x, w) => x.conv(w, undefined, { stride: 2, padding: 1 }),
    [2, 3, 7, 7],
    [4, 3, 3, 3],
  ],
  'convolution in groups': [
    (x, w) => x.conv(w, undefined, { padding: 1, groups: 2 }),
    [2, 4, 7, 7],
    [4, 2, 3, 3],
  ],
  'convolution in three dimensions': [
    (x, w) => x.conv(w, undefined, { padding: 1 }),
    [1, 2, 4, 4, 4],
    [2, 2, 3, 3, 3],
  ],
  'convolution of six channels': [
    (x, w) => x.conv(w, undefined, { padding: 1 }),
    [2, 6, 5, 4],
    [8, 6, 3, 3],
  ],
  'convolution of a batch of six': [
    (x, w) => x.conv(w, undefined, { padding: 1 }),
    [6, 3, 5, 4],
    [4, 3, 3, 3],
  ],
  'convolution to several maps for each channel': [
    (x, w) => x.conv(w, undefined, { padding: 1, stride: 2, groups: 4 }),
    [2, 4, 6, 6],
    [8, 1, 3, 3],
  ],
  'convolution in three dimensions with a stride': [
    (x, w) => x.conv(w, undefined, { padding: 1, stride: 2 }),
    [1, 2, 4, 5, 6],
    [2, 2, 3, 3, 3],
  ],
  'convolution in three dimensions in groups': [
    (x, w, b) => x.conv(w, b, { padding: 1, groups: 2 }),
    [1, 4, 3, 3, 3],
    [4, 2, 2, 2, 2],
    [4],
  ],
  'overlapping max pooling': [
    (x) => x.maxPool(3, { stride: 2, padding: 1 }),
    tiedArray([2, 2, 7, 8]),
  ],
  'max pooling side by side': [(x) => x.maxPool(2), tiedArray([2, 2, 7, 8])],
  'dilated max pooling': [(x) => x.maxPool(2, { dilation: 2, stride: 1 }), tiedArray([1, 2, 6, 6])],
  'max pooling in three dimensions': [(x) => x.maxPool(2), tiedArray([1, 2, 4, 4, 4])],
  'average pooling': [
    (x) =>
      x.avgPool(3, {
        stride: 2,
        padding: [
          [1, 0],
          [0, 2],
        ],
        countIncludePad: false,
      }),
    [2, 2, 7, 8],
  ],
  'average pooling in one dimension': [(x) => x.avgPool(2), [2, 2, 9]],
  'average pooling in three dimensions': [(x) => x.avgPool(2), [1, 2, 4, 4, 4]],
  'adaptive max pooling': [(x) => x.adaptiveMaxPool([3, 2]), tiedArray([1, 2, 7, 5])],
  'adaptive average pooling': [(x) => x.adaptiveAvgPool([3, 2]), [1, 2, 7, 5]],
  'global max pooling': [(x) => x.globalMaxPool(), tiedArray([1, 2, 7, 5])],
  'bicubic interpolation': [(x) => x.interpolate({ size: [5, 7], mode: 'bicubic' }), [1, 2, 4, 4]],
  'nearest interpolation': [(x) => x.interpolate({ scale: 2 }), [1, 2, 4, 4]],
  'batch normalisation': [(x, w, b) => batchNorm(x, w, b).output, [3, 2, 4, 4], [2], [2]],
  'normalisation by given statistics': [
    (x, w, b, mean, v) => normalizeBy(x, w, b, { mean, variance: v }),
    ...[[3, 2, 4, 4], [2], [2], [2], positiveArray([2])],
  ],
  softmax: [(x) => x.softmax(1), [3, 5, 2]],
  'logarithm of softmax': [(x) => x.logSoftmax(1), [3, 5, 2]],
  gelu: [(x) => x.gelu(), [3, 5, 2]],
  'sine and cosine over many turns': [
    (x) => [x.sin(), x.cos()],
    ndarray(
      [101],
      Float64Array.from({ length: 101 }, (_, i) => (i - 50) * 0.77),
    ),
  ],
  'choice by a condition': [(x, y) => where(x.greater(y), x.mul(y), y), [3, 5], [3, 5]],
  'cube of negative numbers': [(x) => x.pow(3), [3, 5]],
  'position of the largest': [(x) => x.argmax(1), [3, 5]],
};

describe.skipIf(process.env['VK_ICD_FILENAMES'] === undefined)('on WebGPU', () => {
  it.each(Object.entries(CASES))('%s', async (_, [build, ...inputs]) => {
    const check = checkLowering(build, inputs, {
      providers: ['webgpu'],
      executionProvider: 'webgpu',
    });
    await expect(check).resolves.toBeUndefined();
  });
});

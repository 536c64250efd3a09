/** Situations from the field that concern exported files (ONNX). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createModel, type ModelOptions } from '../../src/models/index.js';
import { AdaptiveAvgPool2d } from '../../src/nn/layers/index.js';
import { runOnce } from '../../src/inspect/run-once.js';
import { createRuntime } from '../../src/runtime/node/create.js';
import { ndarray } from '../../src/tensor/ndarray.js';
import { runOnnxFile } from '../../src/testing/onnx-file.js';
import { randomArray } from '../../src/testing/values.js';
import { exportOnnx } from '../../src/weights/export-onnx.js';

interface Pooled {
  readonly size: readonly [number, number];
  readonly to: readonly [number, number];
  readonly x: readonly number[];
  readonly y: readonly number[];
}

const pooled = JSON.parse(
  readFileSync(new URL('../fixtures/cases/onnx-adaptive-pool/torch.json', import.meta.url), 'utf8'),
) as Pooled[];

describe('onnx-adaptive-pool: adaptive pooling to sizes that do not divide the map', () => {
  it.each(pooled.map((one) => [one.size.join('x'), one.to.join('x'), one] as const))(
    '%s to %s, as PyTorch has it, for one image and several',
    async (_, __, { size, to, x, y }) => {
      const bytes = exportOnnx(new AdaptiveAvgPool2d([...to]), { image: [2, ...size] });
      const both = ndarray([2, 2, ...size], Float64Array.from(x));
      const first = ndarray([1, 2, ...size], both.data.slice(0, x.length / 2));
      const results = await runOnnxFile(bytes, 'images', [first, both]);
      for (const result of results) {
        const { data = [], shape = [] } = result['logits'] ?? {};
        expect(shape.slice(1)).toEqual([2, ...to]);
        expect(data.length).toBeGreaterThanOrEqual(y.length / 2);
        for (const [i, value] of data.entries()) expect(value).toBeCloseTo(y[i] ?? NaN, 5);
      }
    },
  );
});

describe('onnx-batch-odd-size: images of 33x46, one and three at a time', () => {
  const image = [3, 33, 46];
  const mechanisms: NonNullable<ModelOptions['attention']>[] = [
    'none',
    'se',
    'eca',
    'sk',
    'sf',
    'sagan',
    'non-local',
    'simple-non-local',
    'gather-excite',
    'cbam',
    'cbam-joint',
    'danet-position',
    'danet-channel',
    'osra',
    { id: 'gather-excite', options: { extent: 2 } },
    { id: 'gather-excite', options: { extent: 2, parameters: true } },
    { id: 'gather-excite', options: { extent: 8, maxPool: true } },
  ];

  it.each(mechanisms.map((attention) => [JSON.stringify(attention), attention] as const))(
    '%s: every row as the library computes it',
    async (_, attention) => {
      const stages = attention === 'none' ? {} : { stages: [3] };
      const model = createModel('resnet20', {
        classes: 3,
        attention,
        ...stages,
        imageSize: [33, 46],
        seed: 1,
      });
      // Factors that start at 0 would hide the attention.
      for (const [name, parameter] of model.namedParameters()) {
        const { data } = randomArray(parameter.shape, name.length);
        if (parameter.data.every((value) => value === 0)) {
          parameter.data = Float32Array.from(data, (value) => 0.1 * value);
        }
      }
      const bytes = exportOnnx(model, { image, expose: attention === 'none' ? [] : ['*'] });
      const three = randomArray([3, ...image], 7);
      const size = three.data.length / 3;
      const second = ndarray([1, ...image], three.data.slice(size, 2 * size));
      const [ofThree, ofOne] = await runOnnxFile(bytes, 'images', [three, second]);
      const runtime = await createRuntime('cpu', { worker: false });
      try {
        const { outputs } = await runOnce(runtime, model, [
          { shape: three.shape, data: Float32Array.from(three.data) },
        ]);
        const own = Array.from(outputs[0]?.data ?? [], Number);
        expect(own).toHaveLength(9);
        for (const [i, value] of own.entries()) {
          expect(ofThree?.['logits']?.data[i]).toBeCloseTo(value, 5);
          if (i >= 3 && i < 6) expect(ofOne?.['logits']?.data[i - 3]).toBeCloseTo(value, 5);
        }
      } finally {
        await runtime.close();
      }
    },
  );
});

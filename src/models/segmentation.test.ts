import { describe, expect, it } from 'vitest';
import { attention } from '../attention/registry.js';
import { gradients } from '../autodiff/gradients.js';
import { RequestError, ShapeError } from '../errors.js';
import { pixelCrossEntropy } from '../losses/index.js';
import { record } from '../nn/context.js';
import { Conv2d } from '../nn/layers/conv.js';
import { Module } from '../nn/module.js';
import { input } from '../ops/index.js';
import { compareWithGolden } from '../parity/golden.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import { Tensor } from '../tensor/tensor.js';
import { torchCases } from '../testing/golden-files.js';
import { evaluateWithOnnx } from '../testing/onnx.js';
import { randomArray } from '../testing/values.js';
import { createFusion, listFusions } from './fusion.js';
import { createModel } from './registry.js';
import { ResNet, type ResNetOptions } from './resnet.js';
import {
  segmentationNet,
  type SegmentationNet,
  type SegmentationNetOptions,
} from './segmentation.js';

const FUSIONS = ['add', 'concat', 'gated-fusion', 'msf', 'mfe', 'safm', 'osra', 'msaa'];
const CLASSES = 3;

function encoder(options: Partial<ResNetOptions> = {}): ResNet {
  const small = { block: 'basic', depths: [1, 1, 1], width: 4, shortcut: 'projection' } as const;
  return new ResNet({ ...small, classes: 0, ...options });
}

function net(options: Partial<SegmentationNetOptions> = {}): SegmentationNet {
  return segmentationNet({ encoder: encoder(), classes: CLASSES, ...options }).initialize(1);
}

function outputsOf(model: SegmentationNet, images: Tensor): Tensor[] {
  const returned = model.forward(images);
  return returned instanceof Tensor ? [returned] : Object.values(returned);
}

function feedsOf(model: Module): Map<Tensor, NdArray> {
  model.ensureInitialized();
  return new Map(
    [...model.namedParameters(), ...model.namedBuffers()].map(([, { tensor, shape, data }]) => [
      tensor,
      ndarray(shape, Float64Array.from(data)),
    ]),
  );
}

/** The network of each case of tests/fixtures/segmentation/generate.py. */
const networks: Readonly<Record<string, () => Module>> = {
  pooled: () => encoder({ width: 2, channels: 4, stem: 'imagenet' }),
  add: () => net({ encoder: encoder({ width: 2 }), decoderChannels: 4 }),
  concat: () =>
    net({
      encoder: encoder({ width: 2, channels: 1, stem: 'imagenet' }),
      decoderChannels: 4,
      fusion: 'concat',
    }),
};

describe('the networks of segmentation', () => {
  const cases = torchCases('segmentation/networks');

  it.each(cases.map((golden) => [golden.module, golden] as const))(
    '%s: names, outputs, gradients and running statistics agree with PyTorch on odd sizes',
    async (name, golden) => {
      const module = networks[name]?.();
      const differences = await compareWithGolden(golden, module ? { module } : {}, evaluate);
      expect(differences.filter(({ error }) => !(error < 1e-5))).toEqual([]);
      expect(differences.length).toBeGreaterThan(20);
    },
  );
});

describe('SegmentationNet', () => {
  it.each(FUSIONS.flatMap((fusion) => ['plain', 'danet-head'].map((head) => [fusion, head])))(
    'with %s and %s: every parameter has a gradient, on images of 32x32',
    async (fusion, head) => {
      const model = net({ fusion, head });
      const images = input('images', [2, 3, 32, 32]);
      const masks = input('masks', [2, 32, 32], 'int32');
      const { output: outputs, record: forward } = record(true, () => outputsOf(model, images));
      expect(outputs.map(({ shape }) => shape)).toEqual(
        Array.from({ length: head === 'plain' ? 1 : 3 }, () => [2, CLASSES, 32, 32]),
      );
      const loss = outputs
        .map((logits) => pixelCrossEntropy(logits, masks))
        .reduce((a, b) => a.add(b));
      const parameters = [...model.namedParameters()];
      const found = gradients(
        loss,
        parameters.map(([, { tensor }]) => tensor),
      );
      const feeds = feedsOf(model);
      feeds.set(images, randomArray([2, 3, 32, 32], 1));
      feeds.set(
        masks,
        ndarray(
          [2, 32, 32],
          Float64Array.from({ length: 2048 }, (_, i) => i % 3),
        ),
      );
      for (const { tensor } of forward.noise) {
        feeds.set(tensor, ndarray(tensor.shape, new Float64Array(tensor.size).fill(1)));
      }
      const used = new Map(
        [...feeds].filter(([tensor]) => reachable([loss, ...found]).has(tensor)),
      );
      const [value, ...values] = await evaluateWithOnnx([loss, ...found], used);
      expect(value?.data[0]).toBeGreaterThan(0);
      const without = parameters
        .map(([name]) => name)
        .filter((_, i) => !values[i]?.data.some((g) => Number.isFinite(g) && g !== 0));
      // What stands behind a scale that starts at zero, and biases that shift whole rows of a softmax.
      expect(without.filter((name) => !/position\.(query|key|value)\./.test(name))).toEqual([]);
    },
  );

  it.each([
    [48, 64],
    [64, 64],
    [50, 70],
    [33, 41],
  ])('gives logits of the size of the images, %i x %i', (height, width) => {
    for (const fusion of FUSIONS) {
      for (const head of ['plain', 'danet-head']) {
        const model = net({ encoder: encoder({ imageSize: [height, width] }), fusion, head });
        for (const { shape } of outputsOf(model, input('x', [1, 3, height, width]))) {
          expect(shape, `${fusion}, ${head}`).toEqual([1, CLASSES, height, width]);
        }
      }
    }
  });

  it.each([
    ['resnet18', 'cifar'],
    ['resnet50', 'imagenet'],
  ] as const)('takes %s with attention and the %s stem as encoder', (id, stem) => {
    const block = id === 'resnet50' ? 'bottleneck' : 'basic';
    const model = net({
      encoder: encoder({
        block,
        depths: [1, 1, 1, 1],
        stem,
        attention: (channels) => attention.create('se', channels, { ratio: 2 }),
      }),
    });
    expect(outputsOf(model, input('x', [1, 3, 64, 64]))[0]?.shape).toEqual([1, CLASSES, 64, 64]);
    expect(createModel('resnet20').featureChannels).toEqual([16, 32, 64]);
  });

  it('names its outputs, the auxiliary ones behind the first', () => {
    const images = input('x', [1, 3, 32, 32]);
    expect(Object.keys(net({ head: 'danet-head' }).forward(images))).toEqual([
      'output',
      'aux1',
      'aux2',
    ]);
    expect(net({ head: 'danet-head:auxiliary=false' }).forward(images)).toBeInstanceOf(Tensor);
  });

  it("shows DANet's head at most 1024 places", () => {
    const model = net({ head: 'danet-head' });
    const attentionOf = (side: number) =>
      record(false, () => model.forward(input('x', [1, 3, side, side]))).record.exposed.get(
        'head.inner.position.attention',
      )?.shape;
    expect(attentionOf(32)).toEqual([1, 1024, 1024]);
    expect(attentionOf(33)).toEqual([1, 17 * 17, 17 * 17]);
  });

  it('takes options of a fusion and functions of the program for fusion and head', () => {
    const parameters = (options: Partial<SegmentationNetOptions>) => net(options).parameterCount();
    expect(parameters({ fusion: 'msaa:ratio=1' })).toBeGreaterThan(parameters({ fusion: 'msaa' }));
    expect(parameters({ fusion: 'se:ratio=2' })).toBeGreaterThan(parameters({ fusion: 'add' }));
    const seen: number[][] = [];
    class Difference extends Module {
      override forward(own: Tensor, deep: Tensor): Tensor {
        return own.sub(deep);
      }
    }
    const model = net({
      fusion: (channels, inputs) => {
        seen.push([channels, inputs]);
        return new Difference();
      },
      head: (channels, classes) => new Conv2d(channels, classes, 1),
    });
    expect(seen).toEqual([
      [32, 2],
      [32, 2],
    ]);
    expect(outputsOf(model, input('x', [1, 3, 32, 32]))[0]?.shape).toEqual([1, 3, 32, 32]);
  });

  const one = new Conv2d(32, 32, 1);

  it.each<[string, Partial<SegmentationNetOptions>, RegExp]>([
    ['an unknown fusion', { fusion: 'mssa' }, /Unknown fusion 'mssa'\. Did you mean .*'msaa'/],
    ['an unknown head', { head: 'danet' }, /Unknown head 'danet'\. Did you mean 'danet-head'/],
    ['a head as fusion', { fusion: 'danet-head' }, /cannot merge maps/],
    ['a fusion at stages', { fusion: 'msaa@2' }, /names stages/],
    ['an option of add', { fusion: 'add:x=1' }, /'add' has no options/],
    ['an unknown option', { fusion: 'msaa:rate=1' }, /no option 'rate'/],
    ['the classes of a head', { head: 'danet-head:classes=4' }, /'classes'/],
    ['an option of plain', { head: 'plain:a=1' }, /'a'/],
    ['a class', { fusion: Conv2d as never }, /is the class Conv2d/],
    ['a function without a module', { fusion: () => 3 as never }, /must return a Module/],
    ['one module for all merges', { fusion: () => one }, /the same module for two merges/],
    ['no classes', { classes: 0 }, /classes .* positive integer, not 0/],
    ['an encoder with a classifier', { encoder: encoder({ classes: 5 }) }, /classes: 0/],
    ['an encoder of one stage', { encoder: encoder({ depths: [1] }) }, /two or more scales/],
    [
      'four maps of two stages',
      { encoder: encoder({ depths: [1, 1] }), fusion: 'msf' },
      /takes 4 maps, but a merge of this network has 3\. .* 3 or more stages/,
    ],
    ['too few channels for DANet', { head: 'danet-head', decoderChannels: 16 }, /at least 32/],
  ])('refuses %s', (_, options, message) => {
    expect(() => net(options)).toThrow(RequestError);
    expect(() => net(options)).toThrow(message);
  });

  it('refuses a fusion that changes the shape, and a head of other classes', () => {
    const x = input('x', [1, 3, 32, 32]);
    expect(() => net({ fusion: 'msaa:out=64' }).forward(x)).toThrow(ShapeError);
    expect(() => net({ fusion: 'msaa:out=64' }).forward(x)).toThrow(/decoder\.merges\.1\.fusion/);
    const head = (channels: number) => new Conv2d(channels, 7, 1);
    expect(() => net({ head }).forward(x)).toThrow(/returned \[1, 7, 32, 32\]/);
  });
});

describe('createFusion', () => {
  const maps = [0, 1].map((i) => input(`m${i}`, [1, 8, 16, 16]));
  const feeds = new Map(maps.map((map, i) => [map, randomArray(map.shape, i)]));

  it.each(['safm', 'osra'])(
    'has %s as in its block: the sum, and what is mixed of its norm',
    (id) => {
      const { module } = createFusion(id, 8, [16, 16], 2);
      module.initialize(3);
      const { mechanism, norm } = module as unknown as Record<
        string,
        { forward(x: Tensor): Tensor }
      >;
      const sum = (maps[0] as Tensor).add(maps[1] as Tensor);
      const expected = sum.add(mechanism?.forward(norm?.forward(sum) ?? sum) ?? sum);
      const all = new Map([...feeds, ...feedsOf(module)]);
      const [actual, wanted] = evaluate([module.forward(...maps) as Tensor, expected], all);
      expect(actual?.data).toEqual(wanted?.data);
      const [normed] = evaluate([norm?.forward(sum) ?? sum], all);
      const perPlace = Array.from({ length: 8 }, (_, c) => normed?.data[c * 256] ?? NaN);
      const values = id === 'safm' ? perPlace : [...(normed?.data ?? [])];
      expect(values.reduce((a, b) => a + b, 0) / values.length).toBeCloseTo(0, 6);
    },
  );

  it('knows the fusions of the documents by name, and fits a mechanism to the size of its maps', () => {
    expect(listFusions()).toEqual(expect.arrayContaining(FUSIONS));
    expect(listFusions()).not.toContain('danet-head');
    expect(() => createFusion('safm', 6, [4, 4], 2)).not.toThrow();
    expect(() => createFusion('cbam-joint:ratio=2', 8, [16, 16], 2)).not.toThrow();
  });
});

/** What tensors are computed from. */
function reachable(outputs: readonly Tensor[]): Set<Tensor> {
  const found = new Set<Tensor>();
  const waiting = [...outputs];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    waiting.push(...next.inputs);
  }
  return found;
}

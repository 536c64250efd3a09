import { describe, expect, it } from 'vitest';
import type { DataInfo } from '../data/dataset.js';
import {
  createModel,
  ProjectedEncoder,
  segmentationNet,
  type ModelOptions,
} from '../models/index.js';
import { Flatten, Linear, Module, Sequential } from '../nn/index.js';
import { SaganAttention } from '../attention/index.js';
import { evaluate } from '../tensor/evaluate.js';
import { ndarray, type NdArray } from '../tensor/ndarray.js';
import type { Tensor } from '../tensor/tensor.js';
import { randomArray } from '../testing/values.js';
import { runModule } from '../testing/run-in-float64.js';
import { classification, contrastive, segmentation, type Task } from '../tasks/index.js';
import { imagesLike } from '../testing/data-info.js';
import { views, type ViewOptions } from './views.js';

/** Attention over 2 x 3 places, and a head: the smallest network that has rows to show. */
class Attentive extends Module {
  readonly attention = new SaganAttention(4, { ratio: 2 });
  readonly head = new Sequential(new Flatten(), new Linear(24, 3));

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.attention.forward(x));
  }
}

const x = randomArray([2, 4, 2, 3], 1);

/** Views of the network above, and their values in float64. */
function look(options: Pick<ViewOptions, 'queries' | 'about'>, labels = [0, 0]) {
  const net = new Attentive().initialize(5);
  const made = views(net, {
    task: classification(),
    data: imagesLike([4, 2, 3], 3),
    batchSize: 2,
    ...options,
  });
  const { inputs, outputs } = made.graph;
  const feeds = new Map<Tensor, NdArray>();
  for (const [, { tensor, shape, data }] of net.namedParameters()) {
    feeds.set(tensor, ndarray(shape, data));
  }
  if (inputs['images']) feeds.set(inputs['images'], x);
  if (inputs['labels']) feeds.set(inputs['labels'], ndarray([2], labels));
  const names = Object.keys(outputs);
  const values = evaluate(Object.values(outputs), feeds);
  const valueOf = (name: string) => Array.from(values[names.indexOf(name)]?.data ?? []);
  return { net, ...made, valueOf };
}

describe('views', () => {
  it('shows the rows of the attention that belong to the queries', () => {
    const queries = [
      [0, 0],
      [0.9, 0.5],
      [1, 1],
    ] as const;
    const { net, maps, valueOf } = look({ queries, about: 'prediction' });
    const attention = runModule(net, [x]).exposed.get('attention.attention');
    // [2, 6, 6]: places 0, 4 (second row, middle) and 5 (the corner belongs to the last place).
    const row = (b: number, place: number) => {
      const at = (b * 6 + place) * 6;
      return Array.from(attention?.data.subarray(at, at + 6) ?? []);
    };
    const rows = maps.filter(({ kind }) => kind === 'attention-row');
    expect(rows.map(({ queryCell }) => [queryCell?.row, queryCell?.column])).toEqual([
      [0, 0],
      [1, 1],
      [1, 2],
    ]);
    expect(rows.map(({ output }) => valueOf(output))).toEqual(
      [0, 4, 5].map((place) => [...row(0, place), ...row(1, place)]),
    );
    expect(rows.every(({ size }) => size.height === 2 && size.width === 3)).toBe(true);
  });

  it('shows how much each place is looked at on average', () => {
    const { net, maps, valueOf } = look({ queries: 'mean', about: 'prediction' });
    const attention = runModule(net, [x]).exposed.get('attention.attention')?.data ?? [];
    const rows = maps.filter(({ kind }) => kind === 'attention-row');
    expect(rows).toHaveLength(1);
    const means = [0, 1].flatMap((b) =>
      [0, 1, 2, 3, 4, 5].map((key) => {
        const column = [0, 1, 2, 3, 4, 5].map((q) => attention[(b * 6 + q) * 6 + key] ?? NaN);
        return column.reduce((total, value) => total + value) / 6;
      }),
    );
    valueOf(rows[0]?.output ?? '').forEach((value, i) => {
      expect(value).toBeCloseTo(means[i] ?? NaN, 12);
    });
  });

  it('asks Grad-CAM about the predicted class, or about the given one', () => {
    const predicted = look({ queries: 'mean', about: 'prediction' });
    const probabilities = predicted.valueOf('prediction.probabilities');
    const best = [0, 3].map((at) => {
      const own = probabilities.slice(at, at + 3);
      return own.indexOf(Math.max(...own));
    });
    const cam = ({ maps, valueOf }: ReturnType<typeof look>) => valueOf(maps[0]?.output ?? '');
    expect(predicted.maps[0]?.kind).toBe('grad-cam');
    expect(cam(look({ queries: 'mean', about: 'label' }, best))).toEqual(cam(predicted));
    const others = best.map((k) => (k + 1) % 3);
    expect(cam(look({ queries: 'mean', about: 'label' }, others))).not.toEqual(cam(predicted));
  });

  const modules = (options: ModelOptions, layers: string[]) => {
    const { maps, gates } = views(createModel('resnet20', options), {
      task: classification(),
      data: imagesLike([3, 32, 32]),
      batchSize: 1,
      queries: 'mean',
      about: 'prediction',
      layers,
    });
    return [...maps, ...gates].map(({ module, name }) => `${module} ${name}`);
  };

  it('draws what the patterns name, and Grad-CAM', () => {
    expect(modules({ attention: 'cbam' }, ['*.1.attention.spatial', 'layer3.2.*'])).toEqual([
      'grad-cam grad-cam',
      'layer1.1.attention spatial',
      'layer2.1.attention spatial',
      'layer3.1.attention spatial',
      'layer3.2.attention spatial',
      'layer3.2.attention channel',
    ]);
  });

  it.each([
    [
      { attention: 'cbam' },
      ['layer3.2.*', 'layer3.2.atention.spatial'],
      /'layer3.2.attention.spatial'/,
    ],
    [{ attention: 'cbam' }, ['layer3'], /No map or gate is called 'layer3'. There are 18/],
    [{}, ['layer3.*'], /shows no maps or gates of its own, only Grad-CAM/],
  ] satisfies [ModelOptions, string[], RegExp][])(
    'with %j refuses %j',
    (options, layers, message) => {
      expect(() => modules(options, layers)).toThrow(message);
    },
  );

  it.each([[[0.5, 1.5]], [[-1, 0]], [[NaN, 0]]] as [[number, number]][])(
    'refuses the query %j',
    (query) => {
      expect(() => look({ queries: [query], about: 'prediction' })).toThrow(/no place of an image/);
    },
  );

  const kinds = (model: Module, task: Task, data: DataInfo) => {
    const made = views(model, { task, data, batchSize: 2, queries: 'mean', about: 'prediction' });
    return {
      inputs: Object.keys(made.graph.inputs),
      predictions: Object.entries(made.graph.outputs)
        .filter(([name]) => name.startsWith('prediction.'))
        .map(([name, { shape }]) => `${name} ${shape.join('x')}`),
      maps: [...new Set(made.maps.map(({ kind }) => kind))],
    };
  };

  it('asks a segmentation network for masks, and has no Grad-CAM of it', () => {
    const encoder = createModel('resnet20', { classes: 0, attention: 'cbam' });
    const model = segmentationNet({ encoder, classes: 4, head: 'danet-head' });
    const data = { ...imagesLike([3, 32, 32]), pixelClasses: ['0', '1', '2', '3'] };
    expect(kinds(model, segmentation(), data)).toEqual({
      inputs: ['images'],
      predictions: ['prediction.classes 2x32x32'],
      maps: ['spatial', 'attention-row'],
    });
  });

  it('asks a contrastive network for the features of one view', () => {
    const encoder = createModel('resnet20', { classes: 0, attention: 'cbam' });
    const seen = kinds(new ProjectedEncoder(encoder), contrastive(), imagesLike([3, 32, 32]));
    expect(seen).toEqual({
      inputs: ['first'],
      predictions: ['prediction.features 2x64'],
      maps: ['spatial'],
    });
  });

  it('shows of a transformer how its patches look at each other, and no Grad-CAM of its heads', () => {
    const vit = createModel('simple-vit', { classes: 10 });
    expect(kinds(vit, classification(), imagesLike([3, 32, 32])).maps).toEqual(['attention-row']);
  });
});

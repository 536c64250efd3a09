/**
 * A comparison's folder as `fovea compare` and `fovea explain` leave it, without training: figures are
 * drawn from a seeded generator, around values that each mechanism is given.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RandomStream } from '../../random/index.js';
import type { Primary } from '../../tasks/task.js';
import { bestOf, type EpochMetrics } from '../../training/metrics.js';
import type { Explanation } from '../../explain/explanation.js';
import { TOP1 } from '../measures.js';
import {
  makeSettings,
  parseVariants,
  plannedRuns,
  type Axis,
  type PlannedRun,
} from '../settings.js';
import { png } from './png.js';

export interface SyntheticOptions {
  /** Default 'attention'. */
  readonly axis?: Axis;
  /** Default `none,se,cbam`. */
  readonly variants?: string;
  /** Default top-1 accuracy. */
  readonly figure?: Primary;
  readonly seeds?: number;
  readonly epochs?: number;
  /** So many runs are done, one is under way, the rest waits. Default: all are done. */
  readonly done?: number;
  /** What a variant's runs come to, by label, with a seed's own luck of about 0.3. Default 52. */
  readonly values?: Readonly<Record<string, number>>;
  /** Images that every run was explained with; 0 for no explanations. Default 0. */
  readonly images?: number;
  readonly dataset?: string;
  /** Settings besides. */
  readonly recipe?: object;
  /** Names of the classes in evaluation.json; none for no such file. Default ten. */
  readonly classes?: readonly string[];
  /** Whether masks are predicted, and drawn beside the true ones where images are explained. Default false. */
  readonly masks?: boolean;
}

const LAYERS = ['layer1.0', 'layer1.1', 'layer2.0', 'layer2.1', 'layer3.0', 'layer3.1'];
const NAMES = Array.from({ length: 10 }, (_, k) => `class ${k}`);
const CLASSES = ['circle', 'square', 'star', 'cross', 'ring', 'triangle'];

/** Writes such a folder. */
export async function writeSyntheticComparison(
  path: string,
  options: SyntheticOptions = {},
): Promise<void> {
  const { variants = 'none,se,cbam', axis = 'attention', seeds = 3, epochs = 12 } = options;
  const { dataset = 'cifar100', figure = TOP1, classes = NAMES } = options;
  const settings = makeSettings({
    axis,
    variants: parseVariants(variants, axis),
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    recipe: { model: 'resnet20', dataset, data: '/elsewhere/cifar', epochs, ...options.recipe },
  });
  const plan = plannedRuns(settings);
  const done = options.done ?? plan.length;
  await mkdir(path, { recursive: true });
  await write(path, 'compare.json', settings);
  await write(path, 'ledger.json', {
    runs: plan.map(({ name }, i) => ({
      name,
      state: i < done ? 'done' : i === done ? 'running' : 'waiting',
    })),
  });
  if (done > 0) {
    const latency = settings.variants.map(({ label }, i) => [
      label,
      { milliseconds: 4.1 + 0.45 * i, batch: 1, repeats: 50 },
    ]);
    await write(path, 'latency.json', Object.fromEntries(latency));
  }
  for (const [place, run] of plan.slice(0, done + 1).entries()) {
    const folder = join(path, 'runs', run.name);
    await mkdir(folder, { recursive: true });
    await write(folder, 'config.json', run.recipe);
    const metrics = metricsOf(run, figure, options.values?.[run.variant.label] ?? 52);
    const finished = place < done;
    const lines = finished ? metrics : metrics.slice(0, Math.ceil(epochs / 2));
    await writeFile(
      join(folder, 'metrics.jsonl'),
      lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    );
    if (!finished) continue;
    await write(
      folder,
      'summary.json',
      summaryOf(run, figure, metrics, settings.variants.indexOf(run.variant)),
    );
    if (classes.length > 0) {
      await write(folder, 'evaluation.json', evaluationOf(run, figure, classes));
    }
    if (options.images) await writeExplanation(join(folder, 'explanation'), run, options);
  }
}

function metricsOf(
  { name, seed, recipe: { epochs } }: PlannedRun,
  figure: Primary,
  value: number,
): EpochMetrics[] {
  const luck = new RandomStream(7, 'luck', seed).normal() * 0.4;
  const noise = new RandomStream(7, name);
  const goal = value + luck + 0.25 * noise.normal();
  return Array.from({ length: epochs }, (_, i) => {
    const progress = 1 - Math.exp((-3.5 * (i + 1)) / epochs);
    const decayed = i >= epochs / 2;
    const val =
      goal * (decayed ? 1 - 0.06 * (1 - progress) : 0.78 * progress + 0.02) +
      (decayed ? 0.12 : 1) * noise.normal();
    const train = decayed ? val + 1.5 : val - 1;
    return {
      epoch: i + 1,
      lr: decayed ? 0.01 : 0.1,
      train_loss: 4.2 - train * 0.045,
      val_loss: 4.25 - val * 0.045,
      val_top5: Math.min(99, val * 1.55),
      [`train_${figure.name}`]: train,
      [`val_${figure.name}`]: Math.round(val * 100) / 100,
      seconds: 150,
      images_per_second: 380 + 20 * noise.normal(),
    };
  });
}

function summaryOf(
  { seed }: PlannedRun,
  primary: Primary,
  metrics: readonly EpochMetrics[],
  place: number,
): unknown {
  const { best, meanBest5 } = bestOf(metrics, primary);
  return {
    [`best_${primary.name}`]: best,
    [`mean_best5_${primary.name}`]: meanBest5,
    [`last_${primary.name}`]: metrics.at(-1)?.[`val_${primary.name}`],
    primary,
    params: 275_572 + 2_373 * place,
    macs: 40_556_000 + 61_000 * place * place,
    seed,
    epochs: metrics.length,
    overhead: 0.01,
    versions: {
      fovea: '0.1.0',
      'onnxruntime-node': '1.30.0',
      node: 'v20.20.2',
      platform: 'linux-x64',
      cpu: 'Synthetic CPU x 2',
    },
  };
}

/** Counts of 100 examples a class, most of them right; the figures of a class are its share of them. */
function evaluationOf(run: PlannedRun, { name }: Primary, classes: readonly string[]): unknown {
  const draw = new RandomStream(run.seed, `classes ${run.name}`);
  const confusion = classes.map((_, k) => {
    const row = classes.map(() => 0);
    for (let i = 0; i < 100; i++) {
      const other = draw.uniform() < 0.6 ? k : Math.floor(draw.uniform() * classes.length);
      row[other] = (row[other] ?? 0) + 1;
    }
    return row;
  });
  return {
    weights: 'best.safetensors',
    examples: 100 * classes.length,
    figures: {},
    classes,
    per_class: { [name === 'miou' ? 'iou' : 'accuracy']: confusion.map((row, k) => row[k]) },
    confusion,
  };
}

async function writeExplanation(
  folder: string,
  run: PlannedRun,
  { images: count = 0, masks = false }: SyntheticOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const draw = new RandomStream(run.seed, `seen ${run.name}`);
  const { attention } = run.recipe;
  const attends = attention !== 'none';
  const spatial = ['cbam', 'sagan'].includes(attention);
  const modules = LAYERS.map((layer) => `${layer}.attention`);
  const maps = [
    { module: 'grad-cam', name: 'grad-cam', kind: 'grad-cam' as const },
    ...(spatial
      ? modules.map((module) => ({ module, name: 'spatial', kind: 'spatial' as const }))
      : []),
  ];
  const explanation: Explanation = {
    images: Array.from({ length: count }, (_, i) => {
      const own = CLASSES[i % CLASSES.length] ?? '';
      const right = draw.uniform() < 0.8;
      return {
        file: `image-${i}.png`,
        label: `shapes ${i}`,
        class: masks ? '' : own,
        predicted: masks ? '' : right ? own : 'ring',
        probability: 0.4 + 0.6 * draw.uniform(),
      };
    }),
    maps: maps.flatMap((map, m) =>
      Array.from({ length: count }, (_, image) => ({
        image,
        ...map,
        file: `map-${m}-${image}.png`,
        scale: [0, 1] as [number, number],
      })),
    ),
    ...(masks && {
      masks: Array.from({ length: count }, (_, image) =>
        (['true', 'predicted'] as const).map((kind) => ({
          image,
          kind,
          file: `mask-${kind}-${image}.png`,
        })),
      ).flat(),
    }),
    gates: attends
      ? modules.map((module, depth) => ({
          module,
          name: 'channel',
          values: Array.from({ length: 16 }, () =>
            clamp(0.5 + (0.05 + 0.03 * depth) * draw.normal()),
          ),
          spread: Array.from({ length: 16 }, () => clamp(0.02 + 0.02 * depth * draw.uniform())),
        }))
      : [],
    localisation: maps.map((map, m) => ({
      ...map,
      images: 200,
      pointing: clamp(0.35 + 0.05 * m + 0.04 * draw.normal()),
      energy: clamp(0.25 + 0.03 * m + 0.02 * draw.normal()),
      share: 0.137,
    })),
  };
  await write(folder, 'index.json', explanation);
  for (let i = 0; i < count; i++) {
    await writeFile(join(folder, `image-${i}.png`), picture(i, 0));
    for (const m of maps.keys()) {
      await writeFile(join(folder, `map-${m}-${i}.png`), picture(i, m + 1));
    }
    if (!masks) continue;
    await writeFile(join(folder, `mask-true-${i}.png`), mask(i, 12));
    await writeFile(join(folder, `mask-predicted-${i}.png`), mask(i, 9 + 5 * draw.uniform()));
  }
}

/** A disc on a gradient; a map is a glow about where the disc is. */
function picture(image: number, map: number): Buffer {
  const [centreRow, centreColumn] = [20 + 7 * (image % 4), 24 + 5 * (image % 5)];
  return png(64, (row, column) => {
    const distance = Math.hypot(row - centreRow - 3 * map, column - centreColumn);
    if (map === 0)
      return distance < 12 ? [230, 160 - 20 * image, 40] : [60 + row, 90, 120 + column];
    const heat = Math.exp((-distance * distance) / 300);
    return [255 * heat, 120 * heat * heat, 80 * (1 - heat)];
  });
}

/** The disc of {@link picture} in one colour, or so much larger or smaller. */
function mask(image: number, radius: number): Buffer {
  const [centreRow, centreColumn] = [20 + 7 * (image % 4), 24 + 5 * (image % 5)];
  return png(64, (row, column) =>
    Math.hypot(row - centreRow, column - centreColumn) < radius ? [230, 159, 0] : [0, 0, 0],
  );
}

async function write(folder: string, name: string, value: unknown): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}

function clamp(value: number): number {
  return Math.max(0, Math.min(1, value));
}

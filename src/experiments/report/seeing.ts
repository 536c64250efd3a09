/** What was seen in the trained networks, gathered over a mechanism's seeds. */
import type { Explanation, LocalisationScore } from '../../explain/explanation.js';
import type { RunResults } from '../results.js';
import { spreadOf, type SeedValue, type Spread } from '../statistics.js';
import { median, quantilesOf, type Quantiles } from './quantiles.js';

/** A channel gate of one layer, over the channels of all seeds (channels of different seeds do not correspond). */
export interface GateLayer {
  readonly module: string;
  /** Of the channels' means over the images. */
  readonly values: Quantiles;
  /** Median over the channels of the standard deviation over the images: how much a gate depends on the image. */
  readonly variation: number;
  /** As they are in the seeds' index.json: per channel, the mean and the deviation over the images. */
  readonly raw: readonly {
    readonly seed: number;
    readonly values: readonly number[];
    readonly spread: readonly number[];
    readonly source: string;
  }[];
}

/** One of a mechanism's channel gates, layer by layer. */
export interface GateLayers {
  readonly name: string;
  readonly layers: readonly GateLayer[];
}

/** A score over the seeds. */
export interface Score extends Spread {
  readonly values: readonly (SeedValue & { readonly source: string })[];
}

/** How well one map finds the object. */
export interface ScoredMap {
  readonly module: string;
  readonly name: string;
  readonly kind: LocalisationScore['kind'];
  /** Images of each run. */
  readonly images: number;
  /** What an even map scores. */
  readonly share: number;
  readonly pointing: Score;
  readonly energy: Score;
}

/** One map over the images that all runs were shown; `files` are relative to the comparison's folder. */
export interface MapRow {
  readonly module: string;
  readonly name: string;
  readonly kind: LocalisationScore['kind'];
  readonly query: readonly [row: number, column: number] | null;
  /** By image; null where there is none. */
  readonly files: readonly (string | null)[];
}

/** The pictures of one of a mechanism's runs. */
export interface ShownMaps {
  readonly seed: number;
  readonly source: string;
  readonly images: readonly {
    readonly file: string;
    readonly label: string;
    readonly class: string;
    readonly predicted: string;
    readonly probability?: number | undefined;
  }[];
  readonly rows: readonly MapRow[];
}

/** The masks of one of a variant's runs; `files` are relative to the comparison's folder. */
export interface ShownMasks {
  readonly seed: number;
  readonly source: string;
  /** Each with its masks, null where there is none. */
  readonly images: readonly {
    readonly file: string;
    readonly label: string;
    readonly true: string | null;
    readonly predicted: string | null;
  }[];
}

interface SeenRun {
  readonly seed: number;
  readonly folder: string;
  readonly explanation: Explanation;
}

const indexOf = ({ folder }: SeenRun): string => `${folder}/explanation/index.json`;

function seen(runs: readonly RunResults[]): SeenRun[] {
  return runs.flatMap(({ seed, folder, explanation }) =>
    explanation ? [{ seed, folder, explanation }] : [],
  );
}

/** Every channel gate of a mechanism, by its name, in the order of the layers. */
export function gatesOf(runs: readonly RunResults[]): GateLayers[] {
  const all = seen(runs).flatMap((run) =>
    run.explanation.gates.map((gate) => ({ ...gate, seed: run.seed, source: indexOf(run) })),
  );
  return [...group(all, ({ name }) => name)].map(([name, gates]) => ({
    name,
    layers: [...group(gates, ({ module }) => module)].map(([module, own]) => ({
      module,
      values: quantilesOf(own.flatMap(({ values }) => values)),
      variation: median(own.flatMap(({ spread }) => spread)),
      raw: own.map(({ seed, values, spread, source }) => ({ seed, values, spread, source })),
    })),
  }));
}

/** The localisation scores of every map of a mechanism. */
export function localisationOf(runs: readonly RunResults[]): ScoredMap[] {
  const all = seen(runs).flatMap((run) =>
    (run.explanation.localisation ?? []).map((score) => ({
      ...score,
      seed: run.seed,
      source: indexOf(run),
    })),
  );
  return [...group(all, ({ module, name, kind }) => `${kind} ${module} ${name}`)].flatMap(
    ([, scores]) => {
      const [first] = scores;
      if (first === undefined) return [];
      const { module, name, kind, images } = first;
      const score = (of: 'pointing' | 'energy'): Score => ({
        ...spreadOf(scores.map((one) => one[of])),
        values: scores.map((one) => ({ seed: one.seed, value: one[of], source: one.source })),
      });
      const share = scores.reduce((total, one) => total + one.share, 0) / scores.length;
      return [
        { module, name, kind, images, share, pointing: score('pointing'), energy: score('energy') },
      ];
    },
  );
}

/**
 * Maps of the first seed that was looked into: Grad-CAM, and each of the mechanism's own maps in the
 * last block of every stage; of attention from a place, the first place asked for.
 */
export function mapsOf(runs: readonly RunResults[]): ShownMaps | null {
  const [run] = seen(runs);
  if (run === undefined) return null;
  const { images, maps } = run.explanation;
  const inRun = (file: string): string => `${run.folder}/explanation/${file}`;
  const byMap = group(maps, ({ kind, module, name }) => `${kind} ${module} ${name}`);
  const rows = [...byMap.values()].flatMap((own): MapRow[] => {
    const [first] = own;
    if (first === undefined) return [];
    const { module, name, kind, query = null } = first;
    const files = images.map((_, image) => {
      const shown = own.find((map) => map.image === image && samePlace(map.query ?? null, query));
      return shown ? inRun(shown.file) : null;
    });
    return [{ module, name, kind, query, files }];
  });
  const last = new Map(rows.map((row) => [`${row.kind} ${row.name} ${stageOf(row.module)}`, row]));
  return {
    seed: run.seed,
    source: indexOf(run),
    images: images.map(({ file, ...image }) => ({ ...image, file: inRun(file) })),
    rows: [...last.values()].sort(
      (a, b) => Number(b.kind === 'grad-cam') - Number(a.kind === 'grad-cam'),
    ),
  };
}

/** Masks of the first seed that was looked into; null where its network predicts none. */
export function masksOf(runs: readonly RunResults[]): ShownMasks | null {
  const [run] = seen(runs).filter(({ explanation: { masks = [] } }) => masks.length > 0);
  if (run === undefined) return null;
  const { images, masks = [] } = run.explanation;
  const inRun = (file: string): string => `${run.folder}/explanation/${file}`;
  return {
    seed: run.seed,
    source: indexOf(run),
    images: images.map(({ file, label }, image) => {
      const fileOf = (kind: 'true' | 'predicted'): string | null => {
        const mask = masks.find((one) => one.image === image && one.kind === kind);
        return mask ? inRun(mask.file) : null;
      };
      return { file: inRun(file), label, true: fileOf('true'), predicted: fileOf('predicted') };
    }),
  };
}

/** `layer3` of `layer3.0.attention`. */
function stageOf(module: string): string {
  return module.split('.')[0] ?? module;
}

function samePlace(
  one: readonly [number, number] | null,
  other: readonly [number, number] | null,
): boolean {
  return one?.[0] === other?.[0] && one?.[1] === other?.[1];
}

/** Items by key, keys in the order in which they first occur. */
function group<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const members = groups.get(key) ?? [];
    members.push(item);
    groups.set(key, members);
  }
  return groups;
}

/** `fovea explain`: what a run's network looks at, as pictures and figures in a folder. */
import { FilterType, Transformer } from '@napi-rs/image';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageDataset, Normalization } from '../../data/dataset.js';
import { RequestError } from '../../errors.js';
import { enlargeImage, markCell, overlay, type Picture } from '../picture.js';
import { rangeOf, type Plane } from '../plane.js';
import type { Place, View } from '../views.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Runtime } from '../../runtime/runtime.js';
import { trainedModel } from '../../training/node/evaluate.js';
import { loadSplit } from '../../training/node/run.js';
import { RunFolder } from '../../training/node/run-folder.js';
import type { Recipe } from '../../training/recipe.js';
import {
  asFileError,
  makeFolder,
  readFileChecked,
  writeJsonFile,
} from '../../formats/node/files.js';
import { explanationPage, gateBars } from '../explanation-page.js';
import { explanationSchema, type Explanation } from '../explanation.js';
import { localiseRun } from '../localise.js';
import { look, type Looked } from '../look.js';
import { checkInside } from './inside.js';
import { frameOf, imagesFromFiles, imagesOfDataset, type ShownImages } from './explain-images.js';

export interface ExplainOptions {
  /**
   * Paths of files, or places among the run's validation images. Default 0 to 7. What is seen of
   * them does not depend on the others.
   */
  readonly images?: readonly string[] | readonly number[];
  /** Which weights of the run. Default 'best'. */
  readonly checkpoint?: 'best' | 'last';
  /** Maps and gates by name, as `layer3.*` or `*.spatial`. Default all. */
  readonly layers?: readonly string[];
  /** The places whose attention is drawn. Default the middle and two on a diagonal. */
  readonly queries?: readonly Place[];
  /** Default `explanation` in the run's folder. */
  readonly output?: string;
  /** Validation images that localisation is scored on, where masks are known. 0: none. Default 200. */
  readonly localise?: number;
  /** Where the data are now, if not where the run had them. */
  readonly data?: string;
  /** By which the images are normalised. Default the statistics of the run's data set. */
  readonly normalization?: Normalization;
  /** Where to compute. Default the run's own device. */
  readonly device?: Recipe['device'];
  /** One that is already there, instead of a new one. */
  readonly runtime?: Runtime;
}

const DEFAULT_IMAGES: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];
const DEFAULT_QUERIES: readonly Place[] = [
  [0.5, 0.5],
  [0.25, 0.25],
  [0.75, 0.75],
];
const INDEX = 'index.json';
const PAGE = 'index.html';

/**
 * Looks into the network of a run and writes what it sees: index.json (an {@link Explanation}), index.html,
 * and the pictures that they name. An explanation that is already there is replaced.
 *
 * @param path the run's folder
 * @throws RequestError, FileError for a run, images or layers that are not to be had
 */
export async function explainRun(path: string, options: ExplainOptions = {}): Promise<Explanation> {
  const { images = DEFAULT_IMAGES, checkpoint = 'best', layers, localise = 200 } = options;
  const { folder, recipe: own } = await RunFolder.open(path);
  const recipe: Recipe = {
    ...own,
    ...(options.data !== undefined && { data: options.data }),
    ...(options.device && { device: options.device }),
  };
  const weights = `${checkpoint}.safetensors`;
  if (!folder.has(weights)) {
    throw new RequestError(
      `The run in ${path} has no ${weights} yet: it ends its first epoch with one.`,
    );
  }
  const { model } = await trainedModel({
    recipe,
    weights: folder.file(weights),
    ...(options.normalization && { normalization: options.normalization }),
  });
  const { validation, shown } = await imagesFor(recipe, images, options.normalization);

  const runtime = options.runtime ?? (await createRuntime(recipe.device));
  try {
    const looked = await look(runtime, model, shown.dataset, shown.indices, {
      queries: options.queries ?? DEFAULT_QUERIES,
      about: 'prediction',
      ...(layers && { layers }),
    });
    const localisation =
      validation?.masks && localise > 0
        ? await localiseRun(runtime, model, validation, {
            images: localise,
            ...(layers && { layers }),
          })
        : undefined;
    const output = options.output ?? folder.file('explanation');
    await makeFolder(output);
    await checkInside(output, join(output, INDEX));
    await removeOld(output);
    const explanation: Explanation = {
      ...(await draw(output, shown, looked)),
      ...(localisation && { localisation }),
      ...(shown.problems.length > 0 && { problems: [...shown.problems] }),
    };
    const title = `What ${recipe.model} with attention ${recipe.attention} looks at`;
    await write(output, PAGE, explanationPage(explanation, title));
    // Last, so that a folder that has it is complete.
    await writeJsonFile(join(output, INDEX), explanation);
    return explanation;
  } finally {
    if (options.runtime === undefined) await runtime.close();
  }
}

/** The images to look at, and the run's validation images, without which files can be looked at too. */
async function imagesFor(
  recipe: Recipe,
  images: readonly string[] | readonly number[],
  normalization: Normalization | undefined,
): Promise<{ validation: ImageDataset | undefined; shown: ShownImages }> {
  const files = images.filter((image) => typeof image === 'string');
  const indices = images.filter((image) => typeof image === 'number');
  if (files.length + indices.length === 0) {
    throw new RequestError('There is no image to look at: name one.');
  }
  const load = async (): Promise<ImageDataset> => ({
    ...(await loadSplit(recipe, 'val')),
    ...(normalization && { normalization }),
  });
  if (files.length === 0) {
    const validation = await load();
    return { validation, shown: imagesOfDataset(validation, indices) };
  }
  const validation = await load().catch((error: unknown) => {
    if (error instanceof RequestError) return undefined;
    throw error;
  });
  const frame = validation ?? {
    ...frameOf(recipe.dataset),
    ...(normalization && { normalization }),
  };
  return { validation, shown: await imagesFromFiles(frame, files) };
}

/** Draws everything into a folder. */
async function draw(
  output: string,
  { dataset, indices, labels, classes }: ShownImages,
  { maps, gates, rows }: Looked,
): Promise<Explanation> {
  const explanation: Explanation = { images: [], maps: [], gates: [] };
  const { channels, height, width } = dataset;
  const digits = String(indices.length - 1).length;
  for (const [image, index] of indices.entries()) {
    const record = channels * height * width;
    const data = dataset.images.subarray(index * record, (index + 1) * record);
    const picture = enlargeImage({ data, channels, height, width });
    const prefix = `image${String(image).padStart(digits, '0')}`;
    const drawn: { file: string; picture: Picture }[] = [{ file: `${prefix}.png`, picture }];
    const { best, probability } = mostProbable(rows('logits')[image] ?? new Float32Array());
    explanation.images.push({
      file: `${prefix}.png`,
      label: labels[image] ?? '',
      class: classes[image] ?? '',
      predicted: dataset.classes[best] ?? String(best),
      probability,
    });
    for (const view of maps) {
      const { module, name, kind, query, queryCell, size, output: from } = view;
      const plane: Plane = { ...size, data: rows(from)[image] ?? [] };
      const file = `${prefix}.${fileName(view)}.png`;
      const laid = overlay(picture, plane);
      drawn.push({ file, picture: queryCell ? markCell(laid, queryCell) : laid });
      const at = query && { query: [query[0], query[1]] satisfies [number, number] };
      explanation.maps.push({ image, module, name, kind, ...at, file, scale: rangeOf(plane) });
    }
    await Promise.all(
      drawn.map(async ({ file, picture: one }) => write(output, file, await png(one))),
    );
  }
  for (const { module, name, output: from } of gates) {
    const gate = { module, name, ...statistics(rows(from)) };
    const file = `gate.${module}.${name}.svg`;
    await write(output, file, gateBars(gate));
    explanation.gates.push({ ...gate, file });
  }
  return explanation;
}

/** `layer3.0.attention.attention.from-0.5-0.5` */
function fileName({ module, name, kind, query }: View): string {
  if (kind === 'grad-cam') return name;
  return `${module}.${name}${query ? `.from-${query.join('-')}` : ''}`;
}

/** The class of the largest logit, and its share in the softmax. */
function mostProbable(logits: Float32Array): { best: number; probability: number } {
  const best = logits.reduce((top, value, k) => (value > (logits[top] ?? 0) ? k : top), 0);
  const most = logits[best] ?? 0;
  const total = logits.reduce((sum, value) => sum + Math.exp(value - most), 0);
  return { best, probability: 1 / total };
}

/** Mean and standard deviation (divisor n) over the rows, of each column. */
function statistics(rows: readonly Float32Array[]): { values: number[]; spread: number[] } {
  const columns = Array.from(rows[0] ?? [], (_, c) => rows.map((row) => row[c] ?? 0));
  const mean = (numbers: readonly number[]): number =>
    numbers.reduce((total, value) => total + value, 0) / numbers.length;
  const values = columns.map(mean);
  const spread = columns.map((column, c) =>
    Math.sqrt(mean(column.map((value) => (value - (values[c] ?? 0)) ** 2))),
  );
  return { values, spread };
}

async function png({ pixels, width, height }: Picture): Promise<Uint8Array> {
  // Rows of smooth maps differ little from the row above: half the size of unfiltered ones.
  return Transformer.fromRgbaPixels(pixels, width, height).png({ filterType: FilterType.Up });
}

async function write(output: string, file: string, content: Uint8Array | string): Promise<void> {
  const path = join(output, file);
  await checkInside(output, path);
  try {
    await writeFile(path, content);
  } catch (error) {
    throw asFileError(error, 'write', path);
  }
}

/** Removes the files of an earlier explanation, and nothing else. */
async function removeOld(output: string): Promise<void> {
  const index = join(output, INDEX);
  if (!existsSync(index)) return;
  const old = explanationSchema.safeParse(parsed(await readFileChecked(index)));
  if (!old.success) {
    throw new RequestError(
      `${index} is in the way, and is not of an explanation. Choose another --output.`,
    );
  }
  const { images, maps, gates } = old.data;
  const files = [...images, ...maps, ...gates].flatMap(({ file }) => file ?? []);
  await rm(index);
  for (const file of files) {
    try {
      await rm(join(output, file), { force: true });
    } catch (error) {
      throw asFileError(error, 'remove', join(output, file));
    }
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

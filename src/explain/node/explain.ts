/** What a model looks at, as pictures and figures in a folder: of a program's model, of a run, of weights. */
import type { DataInfo, Dataset } from '../../data/dataset.js';
import { RequestError } from '../../errors.js';
import type { Module } from '../../nn/module.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Device, Runtime } from '../../runtime/runtime.js';
import type { Task } from '../../tasks/task.js';
import { RunFolder } from '../../training/node/run-folder.js';
import { trainedModel, validationOf, type WeightsRequest } from '../../training/node/trained.js';
import type { Recipe } from '../../training/recipe.js';
import type { Explanation } from '../explanation.js';
import { localiseRun } from '../localise.js';
import { look } from '../look.js';
import type { Place } from '../views.js';
import { draw } from './draw.js';
import { ExplanationFolder } from './explanation-folder.js';
import { imagesFromFiles, imagesOfDataset, type ShownImages } from './shown-images.js';

/** What is drawn, and where it is computed. */
interface DrawOptions {
  /** Maps and gates by name, as `layer3.*` or `*.spatial`. Default all. */
  readonly layers?: readonly string[];
  /** The places whose attention is drawn. Default the middle and two on a diagonal. */
  readonly queries?: readonly Place[];
  /** Images of the data set that localisation is scored on, which needs their masks. Default 0: none. */
  readonly localise?: number;
  /** How many images of the data set are drawn if none are named, at most. Default 8. */
  readonly count?: number;
  /** A runtime that is already there, instead of a new one. */
  readonly runtime?: Runtime;
}

export interface ExplainOptions extends DrawOptions {
  /** What the model does. */
  readonly task: Task;
  /** The folder to write. An explanation that is already there is replaced. */
  readonly output: string;
  /** What the model's images are like. Needed for files; a data set says it itself. */
  readonly info?: DataInfo;
  /** Places in the data set of the images to draw. Default the first `count`. */
  readonly indices?: readonly number[];
  /** Of the page. Default names the model's class. */
  readonly title?: string;
  /** Where a new runtime computes. Default 'cpu'. */
  readonly device?: Device;
}

export interface ExplainWeightsOptions extends DrawOptions {
  /** Paths of files, or places among the validation images. Default the first `count` of these. */
  readonly images?: readonly string[] | readonly number[];
  /** The folder to write. An explanation that is already there is replaced. */
  readonly output: string;
}

export interface ExplainRunOptions
  extends
    Omit<ExplainWeightsOptions, 'output'>,
    Pick<WeightsRequest, 'normalization'>,
    Partial<Pick<ExplainWeightsOptions, 'output'>> {
  /** Which weights of the run. Default 'best'. */
  readonly checkpoint?: 'best' | 'last';
  /** Where the data are now, if not where the run had them. */
  readonly data?: string;
  /** Where to compute. Default the run's own device. */
  readonly device?: Recipe['device'];
}

const DEFAULT_COUNT = 8;
const DEFAULT_QUERIES: readonly Place[] = [
  [0.5, 0.5],
  [0.25, 0.25],
  [0.75, 0.75],
];

/**
 * Looks into a model and writes what it sees: index.json (an {@link Explanation}), index.html, and the pictures
 * that they name. What is seen of an image does not depend on the others.
 *
 * @param images a data set, or paths of picture files, which are brought to size as those of a training are
 * @example
 * await explain(model, ['cat.jpg', 'dog.png'], { task: classification(), info: train, output: 'seen' });
 * @throws RequestError, FileError for images or layers that are not to be had
 */
export async function explain(
  model: Module,
  images: Dataset | readonly string[],
  options: ExplainOptions,
): Promise<Explanation> {
  const { task, info, indices, device = 'cpu', localise = 0 } = options;
  const isDataset = 'example' in images;
  if (!isDataset && info === undefined) {
    throw new RequestError(
      'Say what the images of the model are like, so that files can be brought to it: give info, such as the data set that it was trained on.',
    );
  }
  if (!isDataset && localise > 0) {
    throw new RequestError('Files have no masks to be scored by: localise needs a data set.');
  }
  const shown = isDataset
    ? imagesOfDataset(images, indices ?? first(images, options))
    : await imagesFromFiles(info as DataInfo, someOf(images));
  const runtime = options.runtime ?? (await createRuntime(device));
  try {
    return await write(runtime, { model, task }, shown, isDataset ? images : undefined, {
      title: `What ${model.constructor.name} looks at`,
      ...options,
    });
  } finally {
    if (options.runtime === undefined) await runtime.close();
  }
}

/**
 * The same for weights of a file and the network that a recipe names.
 * @throws RequestError, FileError for weights, images or layers that are not to be had
 */
export async function explainWeights(
  request: WeightsRequest,
  options: ExplainWeightsOptions,
): Promise<Explanation> {
  const { images, localise = 0 } = options;
  const { task, model, info, recipe } = await trainedModel(request);
  const files = images?.filter((image) => typeof image === 'string') ?? [];
  const indices = images?.filter((image) => typeof image === 'number');
  const dataset =
    files.length === 0 || localise > 0 ? await validationOf({ recipe, info }) : undefined;
  const shown =
    files.length > 0 || dataset === undefined
      ? await imagesFromFiles(info, files)
      : imagesOfDataset(dataset, someOf(indices ?? first(dataset, options)));
  const runtime = options.runtime ?? (await createRuntime(recipe.device));
  try {
    return await write(runtime, { model, task }, shown, dataset, {
      title: `What ${recipe.model} with attention ${recipe.attention} looks at`,
      ...options,
    });
  } finally {
    if (options.runtime === undefined) await runtime.close();
  }
}

/**
 * The same for the network of a run, by default into `explanation` in the run's folder.
 * @param path the run's folder
 * @throws RequestError, FileError for a run, images or layers that are not to be had
 */
export async function explainRun(
  path: string,
  options: ExplainRunOptions = {},
): Promise<Explanation> {
  const { checkpoint = 'best', data, device, normalization, ...drawn } = options;
  const { folder, recipe } = await RunFolder.open(path);
  return explainWeights(
    {
      recipe: { ...recipe, ...(data !== undefined && { data }), ...(device && { device }) },
      weights: folder.weights(checkpoint, path),
      ...(normalization && { normalization }),
    },
    { output: folder.file('explanation'), ...drawn },
  );
}

/** Looks, scores, and draws. What is wrong with the request is said before anything is written. */
async function write(
  runtime: Runtime,
  { model, task }: { readonly model: Module; readonly task: Task },
  shown: ShownImages,
  scored: Dataset | undefined,
  {
    layers,
    queries = DEFAULT_QUERIES,
    localise = 0,
    output,
    title,
  }: DrawOptions & { readonly output: string; readonly title: string },
): Promise<Explanation> {
  const chosen = { task, ...(layers && { layers }) };
  const looking = look(runtime, model, shown.dataset, shown.indices, {
    ...chosen,
    queries,
    about: 'prediction',
  });
  const localisation =
    localise > 0 && scored
      ? await localiseRun(runtime, model, scored, { ...chosen, images: localise })
      : undefined;
  const folder = await ExplanationFolder.open(output);
  const explanation: Explanation = {
    ...(await draw(folder, shown, looking, task.classes(shown.dataset))),
    ...(localisation && { localisation }),
    ...(shown.problems.length > 0 && { problems: [...shown.problems] }),
  };
  await folder.finish(explanation, title);
  return explanation;
}

/** The places of the first images of a data set. */
function first({ size }: Dataset, { count = DEFAULT_COUNT }: DrawOptions): number[] {
  return Array.from({ length: Math.min(size, count) }, (_, index) => index);
}

/** @throws RequestError if there is none */
function someOf<Image>(images: readonly Image[]): readonly Image[] {
  if (images.length > 0) return images;
  throw new RequestError('There is no image to look at: name one.');
}

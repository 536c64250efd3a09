/** A trained network as an ONNX file, as `fovea export` writes it. */
import { RequestError } from '../../errors.js';
import { readModelHead, type ModelEnd } from '../../onnx/read-model.js';
import type { Task } from '../../tasks/task.js';
import { exportOnnx, returnedNames } from '../../weights/export-onnx.js';
import { writeFileAtomic } from '../../formats/node/files.js';
import type { Shape } from '../../tensor/shape.js';
import type { Recipe } from '../recipe.js';
import { trainedModel, type WeightsRequest } from './trained.js';
import { versions } from './run-folder.js';

/** Which network, with which weights, and how it is to be written. */
export interface ExportRequest extends WeightsRequest {
  /** The file to write. */
  readonly output: string;
  /** Size of one image, [C, H, W]. Default: that of the recipe's data set. */
  readonly image?: Shape;
  /** Inner maps and gates that become outputs; `*` stands for any text. Default none. */
  readonly expose?: readonly string[];
  /**
   * Whether the file takes pixels from 0 to 1, and normalises them itself, by the statistics that the weights
   * were trained with. Default false: it takes normalised images, as the network does.
   */
  readonly pixels?: boolean;
  /** A fixed number of images. Default: any. */
  readonly batch?: number;
  /** Of a segmentation network whose head has auxiliary outputs: whether they are outputs too. Default false. */
  readonly auxiliary?: boolean;
}

/** What was written. */
export interface Exported {
  readonly output: string;
  readonly bytes: number;
  /** Inputs by name, with their shapes; `batch` is any number. */
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  /** Names of the outputs. */
  readonly outputs: readonly string[];
  /** Their shapes, by name. */
  readonly shapes: Readonly<Record<string, readonly (number | string)[]>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Writes a trained network as an ONNX file, in one move.
 * @throws RequestError, FileError for what cannot be had, does not fit or cannot be written
 */
export async function exportWeights(request: ExportRequest): Promise<Exported> {
  const { recipe, output, expose = [], pixels = false, batch, auxiliary = false } = request;
  const { task, model, info, normalizationAssumed, classesNumbered } = await trainedModel(request);
  const image = request.image ?? [info.channels, info.height, info.width];
  if (pixels && normalizationAssumed) {
    throw new RequestError(
      `${request.weights} is not of a run of Fovea, so nothing tells how its images were normalised. For a ` +
        'file that takes pixels, say so with --mean and --std, or leave out --pixels.',
    );
  }
  const classes = task.classes(info);
  const { normalization } = info;
  const metadata = {
    ...describe(recipe),
    'fovea.classes': String(task.outputs(info)),
    ...(!classesNumbered && classes.length > 0 && { 'fovea.class_names': JSON.stringify(classes) }),
    ...(!normalizationAssumed && { 'fovea.normalization': JSON.stringify(normalization) }),
    'fovea.input': pixels ? 'pixels from 0 to 1' : 'normalised',
  };
  const file = exportOnnx(model, {
    image,
    expose,
    metadata,
    outputs: outputsOf(task, returnedNames(model, image), auxiliary),
    ...(pixels && { normalization }),
    ...(batch !== undefined && { batch }),
  });
  const { inputs, outputs } = readModelHead(file, output);
  await writeFileAtomic(output, file);
  return {
    output,
    bytes: file.length,
    inputs: shapesOf(inputs),
    outputs: outputs.map(({ name }) => name),
    shapes: shapesOf(outputs),
    metadata,
  };
}

/** Which of the tensors that forward returns are outputs of the file, and what they are called there. */
function outputsOf(
  { network }: Task,
  returned: readonly string[],
  auxiliary: boolean,
): Record<string, string> {
  const entries = returned.map((name, i) => [
    name,
    name === 'output' || (network === 'segmentation' && i === 0) ? 'logits' : name,
  ]);
  // Auxiliary outputs are there for the loss; whoever uses the network has no use for them.
  const all = network !== 'segmentation' || auxiliary;
  return Object.fromEntries(all ? entries : entries.slice(0, 1)) as Record<string, string>;
}

function shapesOf(ends: readonly ModelEnd[]): Exported['shapes'] {
  return Object.fromEntries(ends.map(({ name, shape }) => [name, shape]));
}

/** What a person who finds the file later wants to know. */
function describe(recipe: Recipe): Record<string, string> {
  const { task, model, attention, attentionOptions, placement, stages, dataset } = recipe;
  return {
    'fovea.version': versions()['fovea'] ?? '',
    'fovea.task': task,
    'fovea.model': model,
    'fovea.attention': attention,
    ...(attention !== 'none' && {
      'fovea.attention_options': JSON.stringify(attentionOptions),
      'fovea.placement': placement,
    }),
    ...(stages && { 'fovea.stages': JSON.stringify(stages) }),
    'fovea.dataset': dataset,
  };
}

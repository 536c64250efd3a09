/** A trained network as an ONNX file, as `fovea export` writes it. */
import { datasetInfo } from '../../data/catalog.js';
import { RequestError } from '../../errors.js';
import { exportOnnx, exposedNames } from '../../weights/export-onnx.js';
import { selectNames } from '../../globs.js';
import { writeFileAtomic } from '../../formats/node/files.js';
import type { Shape } from '../../tensor/shape.js';
import type { Recipe } from '../recipe.js';
import { trainedModel, type EvaluationRequest } from './evaluate.js';
import { versions } from './run-folder.js';

/** Which network, with which weights, and how it is to be written. */
export interface ExportRequest extends EvaluationRequest {
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
}

/** What was written. */
export interface Exported {
  readonly output: string;
  readonly bytes: number;
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  /** Names of the outputs. */
  readonly outputs: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Writes a trained network as an ONNX file, in one move.
 * @throws RequestError, FileError for what cannot be had, does not fit or cannot be written
 */
export async function exportWeights(request: ExportRequest): Promise<Exported> {
  const { recipe, output, expose = [], pixels = false, batch } = request;
  const { channels, height, width } = datasetInfo(recipe.dataset);
  const image = request.image ?? [channels, height, width];
  const { model, normalization } = await trainedModel(request);
  if (pixels && normalization === undefined) {
    throw new RequestError(
      `${request.weights} is not of a run of Fovea, so nothing tells how its images were normalised. For a ` +
        'file that takes pixels, say so with --mean and --std, or leave out --pixels.',
    );
  }
  const metadata = {
    ...describe(recipe),
    ...(normalization && { 'fovea.normalization': JSON.stringify(normalization) }),
    'fovea.input': pixels ? 'pixels from 0 to 1' : 'normalised',
  };
  const file = exportOnnx(model, {
    image,
    expose,
    metadata,
    ...(pixels && normalization && { normalization }),
    ...(batch !== undefined && { batch }),
  });
  await writeFileAtomic(output, file);
  return {
    output,
    bytes: file.length,
    inputs: { images: [batch ?? 'batch', ...image] },
    outputs: ['logits', ...selectNames(exposedNames(model, image), expose, 'inner map or gate')],
    metadata,
  };
}

/** What a person who finds the file later wants to know. */
function describe(recipe: Recipe): Record<string, string> {
  const { model, attention, attentionOptions, placement, stages, dataset } = recipe;
  const { classes } = datasetInfo(dataset);
  return {
    'fovea.version': versions()['fovea'] ?? '',
    'fovea.model': model,
    'fovea.attention': attention,
    ...(attention !== 'none' && {
      'fovea.attention_options': JSON.stringify(attentionOptions),
      'fovea.placement': placement,
    }),
    ...(stages && { 'fovea.stages': JSON.stringify(stages) }),
    'fovea.dataset': dataset,
    'fovea.classes': String(classes),
  };
}

/** The pictures of an explanation. */
import { FilterType, Transformer } from '@napi-rs/image';
import { resizeMask } from '../../data/resize.js';
import { writePalettePng } from '../../formats/node/pictures/write-palette.js';
import { CLASS_COLORS } from '../class-colors.js';
import { gateBars } from '../explanation-page.js';
import type { Explanation } from '../explanation.js';
import type { Look, Looking } from '../look.js';
import { drawable, markCell, overlay, type Picture } from '../picture.js';
import { rangeOf, type Plane } from '../plane.js';
import { predictedMask, rankedClasses, type Mask } from '../predicted.js';
import type { View } from '../views.js';
import type { ExplanationFolder } from './explanation-folder.js';
import type { ShownImages } from './shown-images.js';

/**
 * Draws everything into a folder, image by image.
 * @param classes names of what the model tells apart
 */
export async function draw(
  folder: ExplanationFolder,
  shown: ShownImages,
  { maps, gates, images }: Looking,
  classes: readonly string[],
): Promise<Explanation> {
  const explanation: Explanation = { images: [], maps: [], gates: [] };
  const masks: NonNullable<Explanation['masks']> = [];
  const rows = gates.map((): Float32Array[] => []);
  const digits = String(shown.indices.length - 1).length;
  for await (const look of images) {
    const image = explanation.images.length;
    const prefix = `image${String(image).padStart(digits, '0')}`;
    const picture = drawable(await shown.pictureOf(look.index));
    const file = `${prefix}.png`;
    await folder.write(file, await png(picture));
    const [best] = rankedClasses(look.predictions, classes, 1) ?? [];
    explanation.images.push({
      file,
      label: shown.labelOf(look.index),
      class: shown.classOf(look.index),
      predicted: best?.class ?? '',
      ...(best && { probability: best.probability }),
    });
    for (const [kind, mask] of await masksOf(shown, look)) {
      const maskFile = `${prefix}.${kind}.png`;
      await folder.write(maskFile, maskPng(mask, picture));
      masks.push({ image, kind, file: maskFile });
    }
    for (const view of maps) {
      explanation.maps.push({ image, ...(await drawMap(folder, prefix, picture, view, look)) });
    }
    for (const [i, gate] of gates.entries()) rows[i]?.push(look.valuesOf(gate));
  }
  for (const [i, { module, name }] of gates.entries()) {
    const gate = { module, name, ...statistics(rows[i] ?? []) };
    const file = `gate.${module}.${name}.svg`;
    await folder.write(file, gateBars(gate));
    explanation.gates.push({ ...gate, file });
  }
  return { ...explanation, ...(masks.length > 0 && { masks, mask_classes: [...classes] }) };
}

async function drawMap(
  folder: ExplanationFolder,
  prefix: string,
  picture: Picture,
  view: View,
  look: Look,
): Promise<Omit<Explanation['maps'][number], 'image'>> {
  const { module, name, kind, query, queryCell, size } = view;
  const plane: Plane = { ...size, data: look.valuesOf(view) };
  const laid = overlay(picture, plane);
  const file = `${prefix}.${fileName(view)}.png`;
  await folder.write(file, await png(queryCell ? markCell(laid, queryCell) : laid));
  const at = query && { query: [query[0], query[1]] satisfies [number, number] };
  return { module, name, kind, ...at, file, scale: rangeOf(plane) };
}

/** The true mask, where it is known, and the predicted one; none of a model that predicts none. */
async function masksOf(
  { dataset }: ShownImages,
  { index, predictions }: Look,
): Promise<['true' | 'predicted', Mask][]> {
  const predicted = predictedMask(predictions);
  if (predicted === undefined) return [];
  const { image, mask } = await dataset.example(index);
  const { height, width } = image;
  return [
    ...(mask ? [['true', { height, width, data: mask }] as ['true', Mask]] : []),
    ['predicted', predicted],
  ];
}

/** `layer3.0.attention.attention.from-0.5-0.5` */
function fileName({ module, name, kind, query }: View): string {
  if (kind === 'grad-cam') return name;
  return `${module}.${name}${query ? `.from-${query.join('-')}` : ''}`;
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

/** A mask at the size of the picture that it belongs to, in the colours of its classes. */
function maskPng(mask: Mask, { width, height }: Picture): Uint8Array {
  const data = resizeMask(mask.data, mask, { height, width });
  return writePalettePng({ height, width, data }, CLASS_COLORS);
}

async function png({ pixels, width, height }: Picture): Promise<Uint8Array> {
  // Rows of smooth maps differ little from the row above: half the size of unfiltered ones.
  return Transformer.fromRgbaPixels(pixels, width, height).png({ filterType: FilterType.Up });
}

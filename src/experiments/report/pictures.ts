/** The pictures of the page: of images, of maps over them, of masks. */
import type { ReportData } from './data.js';
import { html, type Markup } from './html.js';

/** Pictures by their path in the comparison's folder, as data URIs. */
export type Pictures = ReadonlyMap<string, string>;

/** The paths of all pictures that the page shows. */
export function shownPictures({ mechanisms }: ReportData): ReadonlySet<string> {
  const files = mechanisms.flatMap(({ maps, masks }) => [
    ...(maps?.images ?? []).map(({ file }) => file),
    ...(maps?.rows ?? []).flatMap((row) => row.files),
    ...(masks?.images ?? []).flatMap((image) => [image.file, image.true, image.predicted]),
  ]);
  return new Set(files.filter((file) => file !== null));
}

/** One of them; a dash for one that is not there. */
export function picture(
  pictures: Pictures,
  file: string | null,
  description: string,
): Markup | string {
  const uri = file === null ? undefined : pictures.get(file);
  if (file === null || uri === undefined) return '–';
  return html`<img src="${uri}" alt="${description}" title="${file}" width="104" height="104" />`;
}

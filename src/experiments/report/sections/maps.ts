import type { MechanismReport, ReportData } from '../data.js';
import { fixed } from '../format.js';
import { html, type Markup } from '../html.js';
import type { Numbers } from '../numbers.js';
import { picture, type Pictures } from '../pictures.js';
import type { MapRow, ShownMaps } from '../seeing.js';

/** Where the networks look, on the same images for every mechanism; nothing where no run was explained. */
export function mapsSection(
  { mechanisms }: ReportData,
  numbers: Numbers,
  pictures: Pictures,
): Markup | null {
  const seen = mechanisms.flatMap((mechanism, place) =>
    mechanism.maps ? [{ mechanism, maps: mechanism.maps, place }] : [],
  );
  const [first] = seen;
  if (first === undefined) return null;
  return html`<section id="maps">
    <h2>Where it looks</h2>
    <p>
      The same images for every network. Grad-CAM shows what speaks for the predicted class in any
      network; the other rows are the network’s own maps in the last block of a stage. Bright is
      much. Each map has its own scale, from its smallest to its largest value.
    </p>
    <div class="maps">
      <table>
        <tbody>
          <tr>
            <th scope="row">image</th>
            ${first.maps.images.map(
              ({ file, label, class: own }) =>
                html`<td>
                  ${picture(pictures, file, `${label} ${own}`)}<small>${own || label}</small>
                </td>`,
            )}
          </tr>
        </tbody>
        ${seen.map(({ mechanism, maps, place }) => mechanismRows(mechanism, maps, place, numbers, pictures))}
      </table>
    </div>
    <p class="note">
      From ${seen.map(({ maps }, i) => html`${i > 0 && ', '}<code>${maps.source}</code>`)}. The
      other layers are beside them; <code>fovea explain</code> draws more.
    </p>
  </section>`;
}

function mechanismRows(
  { label }: MechanismReport,
  { images, rows, seed }: ShownMaps,
  place: number,
  numbers: Numbers,
  pictures: Pictures,
): Markup {
  return html`<tbody>
    ${rows.map(
      (row) =>
        html`<tr>
          <th scope="row">
            ${label} <small>${describe(row)}${row.kind === 'grad-cam' && `, seed ${seed}`}</small>
          </th>
          ${row.files.map(
            (file, image) =>
              html`<td>
                ${picture(pictures, file, `${label}, ${describe(row)}`)}
                ${row.kind === 'grad-cam' && prediction(images[image], place, image, numbers)}
              </td>`,
          )}
        </tr>`,
    )}
  </tbody>`;
}

function prediction(
  image: ShownMaps['images'][number] | undefined,
  place: number,
  index: number,
  numbers: Numbers,
): Markup | null {
  // Networks that tell no class of an image predict none.
  if (image === undefined || image.predicted === '') return null;
  const right = image.class === '' ? '' : image.class === image.predicted ? '✓ ' : '✗ ';
  const probability = numbers.show(
    ['mechanisms', place, 'maps', 'images', index, 'probability'],
    fixed(2),
  );
  return html`<small>${right}${image.predicted} ${probability}</small>`;
}

function describe({ kind, module, name, query }: MapRow): string {
  if (kind === 'grad-cam') return 'Grad-CAM';
  const layer = module.replace(/\.attention$/, '');
  if (query === null) return `${name}, ${layer}`;
  const [row, column] = query.map((share) => fixed(0)(100 * share));
  return `${name} from ${row ?? ''} % down, ${column ?? ''} % across, ${layer}`;
}

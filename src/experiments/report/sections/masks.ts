import type { ReportData } from '../data.js';
import { html, type Markup } from '../html.js';
import { picture, type Pictures } from '../pictures.js';

/** Predicted masks beside the true ones, on the same images for every network; nothing where there are none. */
export function masksSection({ mechanisms }: ReportData, pictures: Pictures): Markup | null {
  const seen = mechanisms.flatMap(({ label, masks }) => (masks ? [{ label, masks }] : []));
  const [first] = seen;
  if (first === undefined) return null;
  const { images } = first.masks;
  const row = (head: Markup | string, files: readonly (string | null)[], what: string): Markup =>
    html`<tr>
      <th scope="row">${head}</th>
      ${files.map(
        (file, i) =>
          html`<td>${picture(pictures, file, `${what} of ${images[i]?.label ?? ''}`)}</td>`,
      )}
    </tr>`;
  return html`<section id="masks">
    <h2>Predicted masks</h2>
    <p>The same images for every network, each class in its colour.</p>
    <div class="maps">
      <table>
        <tbody>
          ${row(
            'image',
            images.map(({ file }) => file),
            'the pixels',
          )}
          ${row(
            'true mask',
            images.map((image) => image.true),
            'the true mask',
          )}
          ${seen.map(({ label, masks }) =>
            row(
              html`${label} <small>seed ${masks.seed}</small>`,
              masks.images.map(({ predicted }) => predicted),
              `${label}, the predicted mask`,
            ),
          )}
        </tbody>
      </table>
    </div>
    <p class="note">
      From ${seen.map(({ masks }, i) => html`${i > 0 && ', '}<code>${masks.source}</code>`)}.
    </p>
  </section>`;
}

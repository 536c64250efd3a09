import { html, type Content, type Markup } from './html.js';

/** A column: its head, and whether it holds numbers, which stand on the right. */
export interface Column {
  readonly head: string;
  readonly numeric?: boolean;
}

/**
 * A table that turns into a list of cards where the page is narrow; each value then has its column's
 * head beside it.
 * @param source where the figures come from, below the table
 */
export function dataTable(
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
  source: Content,
): Markup {
  const numeric = (i: number): string => (columns[i]?.numeric ? 'number' : 'words');
  return html`<figure class="table">
    <table>
      <thead>
        <tr>
          ${columns.map(({ head }, i) => html`<th scope="col" class="${numeric(i)}">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            html`<tr>
              ${cells.map((cell, i) =>
                i === 0
                  ? html`<th scope="row">${cell}</th>`
                  : html`<td class="${numeric(i)}" data-head="${columns[i]?.head}">${cell}</td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
    <figcaption>${source}</figcaption>
  </figure>`;
}

/** A chart with what it is above and how to read it below; nothing where there is no chart. */
export function chartFigure(
  title: Content,
  svg: Markup | null,
  note: Content = null,
): Markup | null {
  if (svg === null) return null;
  return html`<figure class="chart-figure">
    <h4>${title}</h4>
    ${svg} ${note && html`<figcaption>${note}</figcaption>`}
  </figure>`;
}

/** A file of the comparison's folder, as a link that works while the report stands in it. */
export function fileLink(path: string): Markup {
  const href = path.split('/').map(encodeURIComponent).join('/');
  return html`<a href="${href}"><code>${path}</code></a>`;
}

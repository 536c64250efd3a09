/**
 * HTML by template literals. Every value is escaped unless it is itself markup, so that nothing in a
 * file (a label, a message, a machine's name) can become part of the page's structure.
 */

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text that is HTML already. Made by {@link html} and {@link trusted} only. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What may stand in a template: markup as it is, text and numbers escaped, lists joined, nothing as nothing. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** `html`<p>${text}</p>``: markup with every value escaped. Attribute values must stand in quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(
    parts.map((part, i) => (i === 0 ? part : render(values[i - 1]) + part)).join(''),
  );
}

/** Markup from a source that makes it itself: a chart's SVG, the style sheet. Never from a file. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function render(content: Content): string {
  if (content === null || content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'object') return content.map(render).join('');
  return String(content).replace(/[&<>"']/g, (character) => REFERENCES[character] ?? '');
}

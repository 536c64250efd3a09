/** A class's header comment, taken apart into the sections of its page. */

export interface Header {
  /** Title, authors and paper: the first paragraph. */
  readonly lead: string;
  /** The formula, and what is said about it, in order. */
  readonly formula: readonly Block[];
  /** What can be seen: the paragraph that begins with "Exposes", up to the word "Cost". */
  readonly exposes: string;
  /** The rest of that paragraph: the cost by formula. */
  readonly cost: string;
  /** Paragraphs that name the seed documents. */
  readonly seeds: readonly string[];
}

export type Block = { readonly code: string } | { readonly text: string };

/**
 * Paragraphs are separated by empty lines; those that are indented are formulas. See
 * docs/adding-a-mechanism.md for the form.
 */
export function parseHeader(lines: readonly string[]): Header {
  const blocks = lines
    .join('\n')
    .split(/\n{2,}/)
    .map((block) =>
      block.startsWith('  ') ? { code: withoutLinks(dedent(block), '$1') } : { text: prose(block) },
    );
  const [first, ...rest] = blocks;
  const texts = rest.flatMap((block) => ('text' in block ? [block.text] : []));
  const isCost = (text: string) => text.startsWith('Exposes');
  const isOfSeeds = (text: string) => !isCost(text) && /\bseeds?\b/i.test(text);
  const paragraph = texts.find(isCost) ?? '';
  const cost = paragraph.indexOf('Cost') === -1 ? paragraph.length : paragraph.indexOf('Cost');
  return {
    lead: first && 'text' in first ? first.text : '',
    formula: rest.filter(
      (block) => 'code' in block || !(isCost(block.text) || isOfSeeds(block.text)),
    ),
    exposes: paragraph.slice(0, cost).trim(),
    cost: paragraph.slice(cost).trim(),
    seeds: texts.filter(isOfSeeds),
  };
}

function dedent(block: string): string {
  return block.replace(/^ {2}/gm, '');
}

/** Comments mark code with {@link NAME}; their stars and underscores are no Markdown. */
function prose(block: string): string {
  return withoutLinks(block.replace(/\n/g, ' '), '`$1`').replace(
    /(`[^`]*`)|([*_])/g,
    (_, code?: string, mark?: string) => code ?? `\\${mark ?? ''}`,
  );
}

/** A comment's links to code, as something else: `$1` stands for the name. */
export function withoutLinks(text: string, replacement: string): string {
  return text.replace(/\{@link (\w+)\}/g, replacement);
}

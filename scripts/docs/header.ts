/** A class's header comment, which is prose, taken apart into the sections of its page. */

export interface Header {
  /** Title, authors and paper: the first paragraph. */
  readonly lead: string;
  /** The formula, and what is said about it, in order. */
  readonly formula: readonly Block[];
  /** What can be seen: the paragraph that begins with "Exposes", up to the word "Cost". */
  readonly exposes: string;
  /** The rest of that paragraph: the cost by formula. */
  readonly cost: string;
  /** The paragraph that begins with "When not to use it". */
  readonly limits: string;
  /** Paragraphs that name the documents. */
  readonly documents: readonly string[];
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
  const isLimits = (text: string) => text.startsWith('When not to use it');
  const isOfDocuments = (text: string) =>
    !isCost(text) && !isLimits(text) && /\bdocuments?\b/i.test(text);
  const isFormula = (text: string) => !isCost(text) && !isLimits(text) && !isOfDocuments(text);
  const paragraph = texts.find(isCost) ?? '';
  const cost = paragraph.indexOf('Cost') === -1 ? paragraph.length : paragraph.indexOf('Cost');
  return {
    lead: first && 'text' in first ? first.text : '',
    formula: rest.filter((block) => 'code' in block || isFormula(block.text)),
    exposes: paragraph.slice(0, cost).trim(),
    cost: paragraph.slice(cost).trim(),
    limits: texts.find(isLimits) ?? '',
    documents: texts.filter(isOfDocuments),
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
function withoutLinks(text: string, replacement: string): string {
  return text.replace(/\{@link (\w+)\}/g, replacement);
}

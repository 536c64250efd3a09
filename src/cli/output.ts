/** What goes to a terminal. */

/**
 * Text in which nothing can do more than be seen: control characters (line ends but for `\n`, escape
 * sequences), invisible and direction-changing ones, line and paragraph separators and halves of
 * surrogate pairs stand as `\u001b`. Names in files and arguments may hold any of them.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, escaped);
}

/** As {@link visible}, on one line: for a cell of a table, or a name in a sentence. */
export function visibleLine(text: string): string {
  return visible(text).replaceAll('\n', '\\n');
}

/** Prints an answer to standard output; see {@link visible}. */
export function print(text: string): void {
  process.stdout.write(visible(text));
}

/** Prints what is not the answer itself to standard error; see {@link visible}. */
export function tell(text: string): void {
  process.stderr.write(visible(text));
}

const HIDDEN = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');
}

/** A value of a table; null is empty. */
export type Cell = string | number | null;

/** A line of a CSV file by RFC 4180, without its end. */
export function csvLine(cells: readonly Cell[]): string {
  return cells.map(cellText).join(',');
}

/**
 * Text that a spreadsheet would take for a formula gets an apostrophe before it and quotes around it, as OWASP
 * advises against CSV injection. Numbers stay numbers, negative ones too.
 */
function cellText(cell: Cell): string {
  const formula = typeof cell === 'string' && /^[=+\-@\t\r\n＝＋－＠]/.test(cell);
  const text = cell === null ? '' : `${formula ? "'" : ''}${cell}`;
  return formula || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

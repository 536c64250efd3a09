/** Comma-separated values. RFC 4180, with either kind of line end. */
import { FileError } from '../../errors.js';

/** A line of a table, and where it begins. */
export interface CsvRow {
  /** Counted from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Reads a table. Cells in quotes may hold commas, line ends and, doubled, quotes. Lines without anything
 * are passed over, and so is a byte order mark.
 *
 * @param source the file's name, for messages
 * @throws FileError for a quote that is not closed, or stands within a cell
 */
export function parseCsv(text: string, source: string): CsvRow[] {
  const rows: CsvRow[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  cell.lastIndex = text.startsWith('\ufeff') ? 1 : 0;
  let line = 1;
  let start = line;
  let cells: string[] = [];
  while (cell.lastIndex < text.length || cells.length > 0) {
    const found = cell.exec(text);
    if (found === null) {
      throw new FileError(
        `${source}, line ${line}: a quote is not closed, or stands within a cell. Put cells that hold quotes or commas in quotes, and write a quote in them twice.`,
      );
    }
    const [whole, quoted, plain = '', end = ''] = found;
    cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.match(/\r\n|\n|\r/g)?.length ?? 0;
    if (end === ',') continue;
    const [only] = cells;
    if (cells.length > 1 || only !== '' || quoted !== undefined) rows.push({ line: start, cells });
    cells = [];
    start = line;
  }
  return rows;
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../errors.js';
import { parseCsv } from './csv.js';

const cells = (text: string): (readonly string[])[] =>
  parseCsv(text, 't.csv').map((row) => row.cells);

describe('parseCsv', () => {
  it('gives back whatever was written by the rules', () => {
    const cell = fc.stringMatching(/^[a-z",;\r\n\u00e9 ]{0,6}$/);
    const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 6 });
    const ends = fc.constantFrom('\n', '\r\n');
    fc.assert(
      fc.property(table, ends, fc.boolean(), fc.boolean(), (rows, end, last, mark) => {
        const quoted = (value: string): string =>
          /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
        const text = rows.map((row) => row.map(quoted).join(',')).join(end);
        expect(cells(`${mark ? '\ufeff' : ''}${text}${last ? end : ''}`)).toEqual(rows);
      }),
    );
  });

  it('knows the line that a row begins in', () => {
    const rows = parseCsv('a,b\r\n\r\n"c\nd",e\n\nf,g', 't.csv');
    expect(rows).toEqual([
      { line: 1, cells: ['a', 'b'] },
      { line: 3, cells: ['c\nd', 'e'] },
      { line: 6, cells: ['f', 'g'] },
    ]);
  });

  it('passes over lines without anything, and keeps empty cells', () => {
    expect(cells('')).toEqual([]);
    expect(cells('\n\n')).toEqual([]);
    expect(cells('a,\n,b\n""\n')).toEqual([['a', ''], ['', 'b'], ['']]);
  });

  it.each(['a,"b\nc', 'a,b"c"', 'a,"b"c', '"a""'])(
    'refuses quotes that are not in order: %j',
    (text) => {
      expect(() => parseCsv(`x,y\n${text}`, 't.csv')).toThrow(FileError);
      expect(() => parseCsv(`x,y\n${text}`, 't.csv')).toThrow('t.csv, line 2: a quote');
    },
  );
});

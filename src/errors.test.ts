import { describe, expect, it } from 'vitest';
import { FileError, FoveaError } from './errors.js';

describe('the message of an error', () => {
  it('is what was given', () => {
    expect(new FoveaError('It is wrong. Mend it.').message).toBe('It is wrong. Mend it.');
  });

  it('keeps beginning and end where a name in it has no end', () => {
    const cause = new RangeError('why');
    const error = new FileError(`f.pt: no tensor '${'x'.repeat(100_000)}'. Choose another.`, {
      cause,
    });
    expect(error.message.length).toBeLessThan(2000);
    expect(error.message).toMatch(
      /^f\.pt: no tensor 'x+ \[\.\. \d+ characters \.\.\] x+'\. Choose another\.$/,
    );
    expect(error.cause).toBe(cause);
    const [, left] = /(\d+) characters/.exec(error.message) ?? [];
    expect(error.message.match(/x/g)?.length ?? 0).toBe(100_000 - Number(left));
  });
});

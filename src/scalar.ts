/** A value as a person types it: a truth value, a number, a list of numbers as 2+4+8, or else the text itself. */
export function scalar(text: string): number | boolean | string | number[] {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text.trim() !== '' && !Number.isNaN(Number(text))) return Number(text);
  return /^\d+(\+\d+)+$/.test(text) ? text.split('+').map(Number) : text;
}

/** A value as a person types it: a truth value, a number, a list of numbers as 2+4+8 or 0.35+1, or else the text itself. */
export function scalar(text: string): number | boolean | string | number[] {
  if (text === 'true' || text === 'false') return text === 'true';
  if (isNumber(text)) return Number(text);
  const parts = text.split('+');
  return parts.length > 1 && parts.every(isNumber) ? parts.map(Number) : text;
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && !Number.isNaN(Number(text));
}

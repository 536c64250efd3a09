/** A value as a person types it: a truth value, a number, or else the text itself. */
export function scalar(text: string): number | boolean | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

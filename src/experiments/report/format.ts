/** Numbers as the report writes them. A minus is a minus sign; what is missing is a dash. */

export type Format = (value: number) => string;

const minus = (text: string): string => text.replace('-', '\u2212');

/** `52.35` */
export const fixed =
  (digits: number): Format =>
  (value) =>
    minus(value.toFixed(digits));

/** `+0.40`, `−1.20` */
export const signed =
  (digits: number): Format =>
  (value) => {
    const text = minus(value.toFixed(digits));
    return value >= 0 ? `+${text}` : text;
  };

/** `275,572` */
export const whole: Format = (value) => minus(Math.round(value).toLocaleString('en-US'));

/** `40.56 M` */
export const millions: Format = (value) => `${minus((value / 1e6).toFixed(2))} M`;

/** `0.031`, `<0.001` */
export const pValue: Format = (value) => (value < 0.001 ? '<0.001' : value.toFixed(3));

/** `7`, `950`, `12k`, `3.4M`: counts where there is little room. */
export const compact: Format = (value) =>
  Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 })
    .format(value)
    .replace('K', 'k');

/** `12.3`: a share as a percentage. */
export const percentage: Format = (share) => fixed(1)(100 * share);

/** A number that may be missing. */
export function orDash(value: number | null | undefined, format: Format): string {
  return value === null || value === undefined ? '–' : format(value);
}

/** `a`, `a and b`, `a, b and c` */
export function listed(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}

/** `1 seed`, `3 seeds` */
export function counted(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `52.35 ± 0.40`; a single seed has no spread, and none has no mean. */
export function meanText(
  { mean, sd }: { readonly mean: number | null; readonly sd: number | null },
  format: Format,
): string {
  return `${orDash(mean, format)}${mean === null || sd === null ? '' : ` ± ${format(sd)}`}`;
}

/** ` (+0.24 to +3.16)`, to stand behind a difference; nothing where there is no interval. */
export function intervalText(interval: readonly [number, number] | null, format: Format): string {
  return interval === null ? '' : ` (${format(interval[0])} to ${format(interval[1])})`;
}

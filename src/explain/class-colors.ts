/** The colours in which masks are drawn. */

/**
 * A colour for each number of a mask, as the PASCAL VOC challenge has them: the bits of the number, dealt out in
 * turn to red, green and blue from the highest bit of each down. 0 is black, 1 dark red, 2 dark green; 255, where
 * nobody says what is there, a pale grey.
 *
 * [256, 3], red, green and blue, 0 to 255.
 */
export const CLASS_COLORS: Uint8Array = Uint8Array.from({ length: 3 * 256 }, (_, at) => {
  const number = Math.floor(at / 3);
  const channel = at % 3;
  let level = 0;
  for (let bit = 0; bit < 8; bit++) {
    const dealt = (number >> (3 * bit + channel)) & 1;
    level |= dealt << (7 - bit);
  }
  return level;
});

/** The colour of a class in CSS: `rgb(128 0 0)`. */
export function classColor(number: number): string {
  return `rgb(${CLASS_COLORS.subarray(3 * number, 3 * number + 3).join(' ')})`;
}

/** What a file is, told by its first bytes and never by its name, for messages about files of another kind. */

/** How many bytes of a file are looked at. A tar archive says what it is only at byte 257. */
export const KIND_BYTES = 512;

/** Bytes at a place: a string stands for its characters' codes. */
type Mark = readonly [at: number, bytes: string];

/** The first entry whose marks are all there says what a file is. */
const KINDS: readonly (readonly [kind: string, ...marks: Mark[]])[] = [
  ['a PNG picture', [0, '\x89PNG\r\n\x1a\n']],
  ['a JPEG picture', [0, '\xff\xd8\xff']],
  ['a WebP picture', [0, 'RIFF'], [8, 'WEBP']],
  ['a GIF picture', [0, 'GIF8']],
  ['a TIFF picture', [0, 'II*\0']],
  ['a TIFF picture', [0, 'MM\0*']],
  ['an AVIF picture', [4, 'ftypavi']],
  ['a HEIC picture', [4, 'ftyphe']],
  ['a HEIC picture', [4, 'ftypmif1']],
  ['a HEIC picture', [4, 'ftypmsf1']],
  ['a film (MP4)', [4, 'ftyp']],
  ['a JPEG XL picture', [0, '\xff\x0a']],
  ['a JPEG XL picture', [0, '\0\0\0\x0cJXL ']],
  ['a JPEG 2000 picture', [0, '\0\0\0\x0cjP  ']],
  ['a Photoshop document', [0, '8BPS']],
  ['an icon (ICO)', [0, '\0\0\x01\0']],
  ['a PDF document', [0, '%PDF-']],
  ['a gzip archive', [0, '\x1f\x8b']],
  ['an xz archive', [0, '\xfd7zXZ\0']],
  ['a bzip2 archive', [0, 'BZh']],
  ['a zstd archive', [0, '\x28\xb5\x2f\xfd']],
  ['a 7z archive', [0, '7z\xbc\xaf\x27\x1c']],
  ['a RAR archive', [0, 'Rar!\x1a\x07']],
  ['a zip archive', [0, 'PK\x03\x04']],
  ['a zip archive', [0, 'PK\x05\x06']],
  ['a tar archive', [257, 'ustar']],
  ['a NumPy array', [0, '\x93NUMPY']],
  ['an HDF5 file', [0, '\x89HDF\r\n\x1a\n']],
  ['a Git LFS pointer, not the file that it stands for', [0, 'version https://git-lfs']],
];

/**
 * What a file is, as the noun of a sentence: `a gzip archive`.
 *
 * @param bytes the file, or its first {@link KIND_BYTES} bytes
 * @returns undefined where the first bytes do not tell
 */
export function fileKind(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'an empty file';
  const head = latin1(bytes.subarray(0, KIND_BYTES));
  const known = KINDS.find(([, ...marks]) =>
    marks.every(([at, text]) => head.startsWith(text, at)),
  );
  if (known) return known[0];
  // The size in a BMP's head: 'BM' alone is how a text may begin.
  if (head.startsWith('BM') && head.startsWith('\0\0\0\0', 6)) return 'a BMP picture';
  return textKind(head);
}

function textKind(head: string): string | undefined {
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) return 'a web page (HTML)';
  if (/^(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg\b/i.test(text)) {
    return 'an SVG drawing';
  }
  if (/^<\?xml/.test(text)) return 'an XML text';
  // Latin letters, whatever their encoding, and white space; no other control characters.
  return /^[\t\n\r\x20-\x7e\x80-\xff]+$/.test(head) && /[\x20-\x7e]{4}/.test(head)
    ? 'a text'
    : undefined;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** What a file is, told by its first bytes and never by its name, for messages about files of another kind. */
import { latin1 } from './latin1.js';

/** How many bytes of a file are looked at, but for its last eight. A tar archive says what it is only at byte 257. */
export const KIND_BYTES = 1024;

/** What a kind of file is good for, by which a reader of another kind finds its advice. */
export type FileSort =
  | 'archive'
  | 'document'
  | 'empty'
  | 'foreign model'
  | 'picture'
  | 'pointer'
  | 'program'
  | 'text'
  | 'web page';

export interface FileKind {
  readonly sort: FileSort;
  /** The noun of a sentence: `a gzip archive`. */
  readonly what: string;
}

/** Bytes at a place: a string stands for its characters' codes. */
type Mark = readonly [at: number, bytes: string];

/** The first entry whose marks are all there says what a file is. */
const KINDS: readonly (readonly [sort: FileSort, what: string, ...marks: Mark[]])[] = [
  ['picture', 'a PNG picture', [0, '\x89PNG\r\n\x1a\n']],
  ['picture', 'a JPEG picture', [0, '\xff\xd8\xff']],
  ['picture', 'a WebP picture', [0, 'RIFF'], [8, 'WEBP']],
  ['picture', 'a GIF picture', [0, 'GIF8']],
  ['picture', 'a TIFF picture', [0, 'II*\0']],
  ['picture', 'a TIFF picture', [0, 'MM\0*']],
  ['picture', 'an AVIF picture', [4, 'ftypavi']],
  ['picture', 'a HEIC picture', [4, 'ftyphe']],
  ['picture', 'a HEIC picture', [4, 'ftypmif1']],
  ['picture', 'a HEIC picture', [4, 'ftypmsf1']],
  ['document', 'a film (MP4)', [4, 'ftyp']],
  ['picture', 'a JPEG XL picture', [0, '\xff\x0a']],
  ['picture', 'a JPEG XL picture', [0, '\0\0\0\x0cJXL ']],
  ['picture', 'a JPEG 2000 picture', [0, '\0\0\0\x0cjP  ']],
  ['picture', 'a Photoshop picture', [0, '8BPS']],
  ['picture', 'an icon (ICO)', [0, '\0\0\x01\0']],
  // The size in its head tells it from a text that begins with BM.
  ['picture', 'a BMP picture', [0, 'BM'], [6, '\0\0\0\0']],
  ['document', 'a PDF document', [0, '%PDF-']],
  ['archive', 'a gzip archive', [0, '\x1f\x8b']],
  ['archive', 'an xz archive', [0, '\xfd7zXZ\0']],
  ['archive', 'a bzip2 archive', [0, 'BZh']],
  ['archive', 'a Zstandard archive', [0, '\x28\xb5\x2f\xfd']],
  ['archive', 'an LZ4 archive', [0, '\x04\x22\x4d\x18']],
  ['archive', 'a 7z archive', [0, '7z\xbc\xaf\x27\x1c']],
  ['archive', 'a RAR archive', [0, 'Rar!\x1a\x07']],
  ['archive', 'a zip archive', [0, 'PK\x03\x04']],
  ['archive', 'a zip archive', [0, 'PK\x05\x06']],
  ['archive', 'a tar archive', [257, 'ustar']],
  ['foreign model', 'one array of NumPy (.npy)', [0, '\x93NUMPY']],
  ['foreign model', 'an HDF5 file, as Keras writes them', [0, '\x89HDF\r\n\x1a\n']],
  ['foreign model', 'a GGUF file of llama.cpp', [0, 'GGUF']],
  ['foreign model', 'TorchScript for mobile devices', [4, 'PTMF']],
  ['foreign model', 'a program of ExecuTorch', [4, 'ET1']],
  ['foreign model', 'a TensorFlow Lite model', [4, 'TFL3']],
  ['foreign model', 'a SavedModel of TensorFlow', [0, '\x08\x01\x12']],
  ['foreign model', 'a MATLAB file', [0, 'MATLAB 5.0']],
  ['program', 'a program', [0, '\x7fELF']],
  ['program', 'a program', [0, 'MZ']],
  ['pointer', 'a Git LFS pointer, not the file that it stands for', [0, 'version https://git-lfs']],
];

/** The end of the index of a TensorFlow checkpoint. */
const TENSORFLOW_INDEX = '\x57\xfb\x80\x8b\x24\x75\x47\xdb';

/**
 * What a file is.
 *
 * @param bytes the file, or its first {@link KIND_BYTES} bytes
 * @returns undefined where the bytes do not tell
 */
export function fileKind(bytes: Uint8Array): FileKind | undefined {
  if (bytes.length === 0) return { sort: 'empty', what: 'an empty file' };
  const head = latin1(bytes.subarray(0, KIND_BYTES));
  const known = KINDS.find(([, , ...marks]) =>
    marks.every(([at, text]) => head.startsWith(text, at)),
  );
  if (known) return { sort: known[0], what: known[1] };
  if (latin1(bytes.subarray(-TENSORFLOW_INDEX.length)) === TENSORFLOW_INDEX) {
    return { sort: 'foreign model', what: 'a checkpoint of TensorFlow' };
  }
  if (isOnnx(bytes)) return { sort: 'foreign model', what: 'an ONNX model' };
  return textKind(head);
}

/** A version below 16, and then the name of the program that wrote it, or the graph itself. */
function isOnnx([tag, version = 0, next = 0, length = 0]: Uint8Array): boolean {
  const named = next === 0x12 && length > 0 && length <= 64;
  return tag === 0x08 && version > 1 && version < 16 && (named || [0x3a, 0x42].includes(next));
}

function textKind(head: string): FileKind | undefined {
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) {
    return { sort: 'web page', what: 'a web page (HTML)' };
  }
  if (/^(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg\b/i.test(text)) {
    return { sort: 'picture', what: 'an SVG drawing' };
  }
  if (!isText(head)) return undefined;
  if (text.startsWith('<?xml')) return { sort: 'text', what: 'an XML text' };
  if (/^[[{]\s*(["{[\]}]|-?\d)/.test(text)) return { sort: 'text', what: 'a JSON text' };
  return { sort: 'text', what: `a text that begins with ${JSON.stringify(text.slice(0, 40))}` };
}

/** Letters, whatever their encoding, white space and escapes; no other control characters. */
function isText(head: string): boolean {
  const plain = Array.from(head, (character) => character.charCodeAt(0)).every(
    (code) => (code >= 0x20 && code !== 0x7f) || (code >= 0x09 && code <= 0x0d) || code === 0x1b,
  );
  return plain && /[\x20-\x7e]{4}/.test(head);
}

/**
 * Files that are not weights, or not of a format that is read, told by their first bytes: people
 * give a pointer, a web page or an archive, and want to hear that rather than what a reader of another
 * format stumbled on.
 */
import { latin1 } from './pickle-values.js';

/** What a file is and what to do about it, as in `this is a PNG picture, not weights`. */
export interface FileKind {
  readonly what: string;
  readonly advice: string;
}

/** Bytes at a place that tell a kind of file. */
interface Signature extends FileKind {
  readonly at?: number;
  readonly bytes: string;
}

const UNPACK = 'Unpack it first and give the file in it.';
const FROM_PYTHON = 'Load it in Python and save its weights with safetensors or torch.save.';
const PICTURE = 'Give the file of weights.';

const SIGNATURES: readonly Signature[] = [
  {
    bytes: 'version https://git-lfs',
    what: 'a Git LFS pointer to a file',
    advice: 'Fetch the file itself with: git lfs pull.',
  },
  { bytes: '\x1f\x8b', what: 'a gzip archive', advice: UNPACK },
  { bytes: '\xfd7zXZ\0', what: 'an xz archive', advice: UNPACK },
  { bytes: '7z\xbc\xaf\x27\x1c', what: 'a 7z archive', advice: UNPACK },
  { bytes: 'BZh', what: 'a bzip2 archive', advice: UNPACK },
  { bytes: '\x28\xb5\x2f\xfd', what: 'a Zstandard archive', advice: UNPACK },
  { bytes: '\x04\x22\x4d\x18', what: 'an LZ4 archive', advice: UNPACK },
  { bytes: 'Rar!', what: 'a RAR archive', advice: UNPACK },
  { bytes: '\x89HDF\r\n\x1a\n', what: 'an HDF5 file, as Keras writes them', advice: FROM_PYTHON },
  { bytes: '\x93NUMPY', what: 'one array of NumPy (.npy)', advice: FROM_PYTHON },
  { bytes: 'GGUF', what: 'a GGUF file of llama.cpp', advice: FROM_PYTHON },
  { bytes: 'PTMF', at: 4, what: 'TorchScript for mobile devices', advice: FROM_PYTHON },
  { bytes: 'ET1', at: 4, what: 'a program of ExecuTorch', advice: FROM_PYTHON },
  { bytes: 'TFL3', at: 4, what: 'a TensorFlow Lite model', advice: FROM_PYTHON },
  { bytes: '\x08\x01\x12', what: 'a SavedModel of TensorFlow', advice: FROM_PYTHON },
  { bytes: '\x89PNG', what: 'a PNG picture', advice: PICTURE },
  { bytes: '\xff\xd8\xff', what: 'a JPEG picture', advice: PICTURE },
  { bytes: 'GIF8', what: 'a GIF picture', advice: PICTURE },
  { bytes: 'WEBP', at: 8, what: 'a WebP picture', advice: PICTURE },
  { bytes: 'BM', what: 'a BMP picture', advice: PICTURE },
  { bytes: 'II*\0', what: 'a TIFF picture', advice: PICTURE },
  { bytes: 'MM\0*', what: 'a TIFF picture', advice: PICTURE },
  { bytes: '%PDF', what: 'a PDF document', advice: PICTURE },
  { bytes: 'MATLAB 5.0', what: 'a MATLAB file', advice: FROM_PYTHON },
  { bytes: '\x7fELF', what: 'a program', advice: PICTURE },
  { bytes: 'MZ', what: 'a program', advice: PICTURE },
];

/** The end of the index of a TensorFlow checkpoint. */
const TENSORFLOW_INDEX = '\x57\xfb\x80\x8b\x24\x75\x47\xdb';

/** How much of a file is looked at. */
const LOOKED_AT = 1024;

/** The kind of a file, if it is one of those that people give by mistake. */
export function fileKind(bytes: Uint8Array): FileKind | undefined {
  if (bytes.length === 0) {
    return { what: 'an empty file', advice: 'Download or save it again.' };
  }
  const start = latin1(bytes.subarray(0, LOOKED_AT));
  const known = SIGNATURES.find(({ bytes: text, at = 0 }) => start.startsWith(text, at));
  if (known !== undefined) return known;
  if (latin1(bytes.subarray(-TENSORFLOW_INDEX.length)) === TENSORFLOW_INDEX) {
    return { what: 'a checkpoint of TensorFlow', advice: FROM_PYTHON };
  }
  if (isOnnx(bytes)) {
    return { what: 'an ONNX model', advice: FROM_PYTHON };
  }
  return textKind(start);
}

function textKind(start: string): FileKind | undefined {
  const text = start.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype|html|head|body|!--)/i.test(text)) {
    return {
      what: 'a web page',
      advice: 'Download the file itself: the link led to a page about it.',
    };
  }
  if (!isText(start)) return undefined;
  if (text.startsWith('<')) return { what: 'an XML text', advice: PICTURE };
  if (/^[[{]\s*(["{[\]}]|-?\d)/.test(text)) return { what: 'a JSON text', advice: PICTURE };
  const first = JSON.stringify(text.slice(0, 40));
  return { what: `a text that begins with ${first}`, advice: PICTURE };
}

/** A version below 16, and then the name of the program that wrote it, or the graph itself. */
function isOnnx([tag, version = 0, next = 0, length = 0]: Uint8Array): boolean {
  const named = next === 0x12 && length > 0 && length <= 64;
  return tag === 0x08 && version > 1 && version < 16 && (named || [0x3a, 0x42].includes(next));
}

/** Whether there are no control characters but tabs, line ends, page breaks and escapes. */
function isText(start: string): boolean {
  return Array.from(start, (character) => character.charCodeAt(0)).every(
    (code) => code >= 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0x1b,
  );
}

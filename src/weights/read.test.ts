/** Files that people give for weights by mistake. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FileError } from '../errors.js';
import { zipOf } from '../testing/zip.node.js';
import { readWeightsFile } from './read.js';

const text = (value: string) => new TextEncoder().encode(value);
/** Characters as bytes, and some more behind them. */
const binary = (value: string) =>
  Uint8Array.from(value.padEnd(64, '\0'), (character) => character.charCodeAt(0));

/** The header of an empty file in a tar archive. */
function tarOf(name: string): Uint8Array {
  const header = new Uint8Array(1024);
  const put = (at: number, value: string) =>
    new TextEncoder().encodeInto(value, header.subarray(at));
  put(0, name);
  put(124, '00000000000');
  put(148, '        ');
  put(156, '0');
  put(257, 'ustar');
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return header;
}

describe('a file of another kind', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /an empty file.*Download or save it again/],
    [
      'a Git LFS pointer',
      text('version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n'),
      /Git LFS pointer.*git lfs pull/,
    ],
    ['a web page', text('\n<!DOCTYPE html>\n<html>'), /a web page.*link/],
    ['an answer in JSON', text('{"error": "not found"}'), /a JSON text/],
    ['a sentence', text('Not Found'), /a text that begins with "Not Found"/],
    ['gzip', gzipSync(text('x')), /gzip archive.*Unpack it first/],
    ['xz', binary('\xfd7zXZ\0'), /xz archive.*Unpack it first/],
    ['7z', binary('7z\xbc\xaf\x27\x1c'), /7z archive.*Unpack it first/],
    ['a PNG', binary('\x89PNG\r\n\x1a\n'), /a PNG picture/],
    ['a JPEG', binary('\xff\xd8\xff\xe0'), /a JPEG picture/],
    ['HDF5', binary('\x89HDF\r\n\x1a\n'), /HDF5.*Keras.*Load it in Python/],
    ['.npy', binary("\x93NUMPY\x01\0v\0{'descr'"), /array of NumPy/],
    ['.npz', zipOf([{ name: 'arr_0.npy', content: text('x') }]), /arrays of NumPy \(\.npz\)/],
    ['ONNX', binary('\x08\x08\x12\x07pytorch'), /an ONNX model/],
    ['a SavedModel', binary('\x08\x01\x12\xff\x20'), /SavedModel of TensorFlow/],
    ['TensorFlow Lite', binary('\x1c\0\0\0TFL3'), /TensorFlow Lite/],
    ['GGUF', binary('GGUF\x03'), /GGUF/],
    ['TorchScript Lite', binary('\0\0\0\0PTMF'), /TorchScript for mobile/],
    [
      'another zip',
      zipOf([{ name: 'word/document.xml', content: text('x') }]),
      /no data\.pkl in it/,
    ],
    ['a zip of weights', zipOf([{ name: 'm/w.pth', content: text('x') }]), /unpack it first/],
    [
      'TorchScript',
      zipOf([
        { name: 'm/data.pkl', content: text('N.') },
        { name: 'm/constants.pkl', content: text('N.') },
      ]),
      /TorchScript.*save its state_dict\(\)/,
    ],
    [
      'two saved objects',
      zipOf(['m', 'n'].map((name) => ({ name: `${name}/data.pkl`, content: text('N.') }))),
      /several objects/,
    ],
    [
      'nothing that is known',
      binary('\xde\xad\x00\x01'),
      /neither safetensors nor a file of torch\.save.* de ad 00 01/,
    ],
    ['a tar archive', tarOf('photo.png'), /a tar archive, but not one of torch\.save/],
    [
      'a pickle without tensors',
      binary('\x80\x02}.').subarray(0, 4),
      /no state_dict, and no tensors/,
    ],
  ])('is called what it is: %s', (_, bytes, message) => {
    const read = () => readWeightsFile(bytes, 'some.pt');
    expect(read).toThrow(FileError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^some\.pt/);
  });
});

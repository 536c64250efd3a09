/** Files of weights: safetensors, pickles, and all that torch.save has written. */
import { BatchNorm1d, Linear, Sequential } from '../../../src/nn/index.js';
import { loadWeights } from '../../../src/weights/load.js';
import { readWeightsFile, type ReadOptions } from '../../../src/weights/read.js';
import { findNumpyClass } from '../../../src/formats/pickle/pickle-numpy.js';
import { unpickle } from '../../../src/formats/pickle/pickle.js';
import { findTorchClass } from '../../../src/formats/pytorch/torch-classes.js';
import { readSafetensors, writeSafetensors } from '../../../src/formats/safetensors.js';
import { readZip } from '../../../src/formats/zip.js';
import type { Mutate } from '../dice.js';
import { encode, flipOneBit, mutateBytes } from '../mutations/bytes.js';
import { mutatePickle, mutatePickles } from '../mutations/pickle.js';
import { mutateSafetensors } from '../mutations/safetensors.js';
import { mutateTar } from '../mutations/tar.js';
import { mutateZip, zip } from '../mutations/zip.js';
import { fixture, fixtures, type Reader } from '../reader.js';
import { refusedOrSame } from './damage.js';

/** What convert may be told besides. */
const OPTIONS: readonly [ReadOptions, ...ReadOptions[]] = [
  {},
  {},
  { part: 'state_dict' },
  { part: '.' },
  { leaveOut: ['*weight', '*'] },
];

/** As `fovea convert` does: what was read is written. What it was told follows from the input. */
function convert(input: Uint8Array): unknown {
  const options = OPTIONS[input.length % OPTIONS.length] ?? OPTIONS[0];
  const { tensors, metadata } = readWeightsFile(input, 'input', options);
  return writeSafetensors(tensors, metadata);
}

/** What lies in a checkpoint's archive: pickles by this name, else raw numbers. */
const torchEntry = (name: string): Mutate => (name.endsWith('.pkl') ? mutatePickle : mutateBytes);

function startsWith(...start: readonly number[]): (bytes: Uint8Array) => boolean {
  return (bytes) => start.every((byte, i) => bytes[i] === byte);
}

/** Files of torch.save among the fixtures. */
function torchFiles(is: (bytes: Uint8Array) => boolean): Uint8Array[] {
  const all = [
    ...fixtures('pytorch', '.pt', '.pth'),
    ...fixtures('weights', '.pt'),
    ...fixtures('cases', '.pt', '.pth', '.th', '.tar'),
  ];
  return all.filter(is);
}

const zips = (): Uint8Array[] => torchFiles(startsWith(0x50, 0x4b));
const streams = (): Uint8Array[] => torchFiles(startsWith(0x80, 2, 0x8a, 10));
const tars = (): Uint8Array[] =>
  torchFiles((bytes) => new TextDecoder().decode(bytes.subarray(257, 262)) === 'ustar');

/** The pickles inside of archives: stored, they begin where the archive says PROTO. */
function loosePickles(): Uint8Array[] {
  const inside = zips().flatMap((archive) => {
    const entries = [...readableZip(archive)];
    return entries.filter(([name]) => name.endsWith('.pkl')).map(([, content]) => content.slice());
  });
  return [...inside, ...fixtures('weights', '.pkl'), ...fixtures('cifar-python', ''), ...streams()];
}

function readableZip(archive: Uint8Array): Map<string, Uint8Array> {
  try {
    return readZip(archive, 'seed');
  } catch {
    return new Map();
  }
}

const mutateWeights: Mutate = (random, bytes, other) => {
  const mutate = { 0x50: mutateZip(torchEntry), 0x80: mutatePickles }[bytes[0] ?? 0];
  return (mutate ?? mutateSafetensors)(random, bytes, other);
};

/** First bytes of files that are no weights, to be named for what they are. */
const OTHER_KINDS = [
  '<!DOCTYPE html><html><head><title>404</title></head></html>',
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
  '{"weights": [1, 2, 3]}',
  '\u0093NUMPY\u0001\u0000v\u0000{}',
  'PK\u0003\u0004',
  'ustar',
  '\u0080\u0002.',
  'GIF89a',
  '\u001f\u008b\u0008',
  '\u00fd7zXZ\u0000',
  '\u0089HDF\r\n\u001a\n',
];

export const weightsReaders: readonly Reader[] = [
  {
    name: 'safetensors',
    what: 'safetensors, and writing what was read',
    seeds: () => [
      ...fixtures('golden', '.safetensors').filter(({ length }) => length < 6000),
      ...fixtures('cases', '.safetensors').filter(({ length }) => length < 6000),
    ],
    mutations: [mutateSafetensors],
    read: (input) => {
      const { tensors, metadata } = readSafetensors(input, 'input');
      return writeSafetensors(tensors, metadata);
    },
  },
  {
    name: 'pickle',
    what: 'pickles, with the classes of PyTorch and of NumPy',
    seeds: loosePickles,
    mutations: [mutatePickle, mutatePickles],
    read: (input) =>
      unpickle(input, {
        findClass: (module, name) => findNumpyClass(module, name) ?? findTorchClass(module, name),
        persistentLoad: (id) => id,
      }),
  },
  {
    name: 'zip',
    what: 'zip archives',
    seeds: () => [...zips(), zip({ 'a/b': encode('content'), 'a/c': encode('') })],
    mutations: [mutateZip(() => mutateBytes)],
    read: (input) => readZip(input, 'input'),
  },
  {
    name: 'pytorch-zip',
    what: 'torch.save since PyTorch 1.6, converted',
    seeds: zips,
    mutations: [mutateZip(torchEntry)],
    read: convert,
  },
  {
    name: 'pytorch-stream',
    what: 'torch.save before PyTorch 1.6, converted',
    seeds: streams,
    mutations: [mutatePickles],
    read: convert,
  },
  {
    name: 'pytorch-tar',
    what: 'torch.save before PyTorch 0.1.10, converted',
    seeds: tars,
    mutations: [mutateTar],
    read: convert,
  },
  {
    name: 'pytorch-pickle',
    what: 'tensors as Python pickles them, converted',
    seeds: () => fixtures('weights', '.pkl'),
    mutations: [mutatePickles],
    read: convert,
  },
  {
    name: 'weights-into-model',
    what: 'weights of any kind, loaded into a module that they may or may not fit',
    seeds: () => [...zips(), ...streams(), ...fixtures('golden', '.safetensors').slice(0, 3)],
    mutations: [mutateWeights],
    read: (input) => {
      const file = readWeightsFile(input, 'input');
      return loadWeights(new Sequential(new Linear(2, 3), new BatchNorm1d(3)), file, 'input');
    },
  },
  {
    name: 'other-kinds',
    what: 'files that are no weights, given as weights',
    seeds: () => [
      ...OTHER_KINDS.map((text) => Uint8Array.from(text, (character) => character.charCodeAt(0))),
      fixture('pytorch/no-tensors.pt'),
    ],
    mutations: [mutateBytes],
    read: convert,
  },
  refusedOrSame({
    name: 'damaged-pytorch',
    what: 'one bit of a PyTorch archive turned over: refused, or read as before',
    seed: () => fixture('pytorch/checkpoint.pt'),
    mutation: flipOneBit,
    read: (input) => {
      const { tensors, part } = readWeightsFile(input, 'input');
      return [part, ...tensors];
    },
  }),
];

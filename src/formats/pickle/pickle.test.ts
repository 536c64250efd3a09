import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../errors.js';
import { findNumpyClass, NumpyArray } from './pickle-numpy.js';
import { PickleError, PickleGlobal, unpickle, type PickleValue } from './pickle.js';

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../../../tests/fixtures/cifar-python/${name}`, import.meta.url));

/** A pickle from its opcodes: text as latin-1, numbers as bytes. */
function pickle(...pieces: (string | number)[]): Uint8Array {
  const bytes = pieces.flatMap((piece) =>
    typeof piece === 'number' ? [piece] : [...Buffer.from(piece, 'latin1')],
  );
  return Uint8Array.from([0x80, 2, ...bytes]);
}

const valueOf = (...pieces: (string | number)[]): PickleValue => unpickle(pickle(...pieces)).value;

describe('unpickle', () => {
  // What CPython's pickle.dumps gives for each value.
  it.each<{ python: string; hex: string; expected: PickleValue }>([
    { python: 'None, protocol 2', hex: '80024e2e', expected: null },
    { python: '[True, False]', hex: '80025d7100288889652e', expected: [true, false] },
    { python: '-1', hex: '80024affffffff2e', expected: -1 },
    { python: '70000', hex: '80024a701101002e', expected: 70000 },
    { python: '2**40', hex: '80028a060000000000012e', expected: 2 ** 40 },
    { python: '-2**40', hex: '80028a060000000000ff2e', expected: -(2 ** 40) },
    { python: '2**64', hex: '80028a090000000000000000012e', expected: 2n ** 64n },
    { python: '0.1', hex: '8002473fb999999999999a2e', expected: 0.1 },
    { python: "'é', protocol 4", hex: '80049506000000000000008c02c3a9942e', expected: 'é' },
    { python: '(1, 2, 3)', hex: '80024b014b024b038771002e', expected: [1, 2, 3] },
    {
      python: "{'a': [1, 2]}, protocol 4",
      hex: '80049510000000000000007d948c0161945d94284b014b0265732e',
      expected: new Map([['a', [1, 2]]]),
    },
    { python: "Python 2's 2**40", hex: '800249313039393531313632373737360a2e', expected: 2 ** 40 },
  ])('reads $python', ({ hex, expected }) => {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    expect(unpickle(bytes)).toEqual({ value: expected, end: bytes.length });
  });

  it('gives bytes and Python 2 strings as views of the input, and dict keys as text', () => {
    const bytes = pickle('}U', 2, 'k\xffU', 3, '\x00\x80\xffs.');
    const { value } = unpickle(bytes);
    expect(value).toEqual(new Map([['k\xff', Uint8Array.of(0, 128, 255)]]));
    const stored = value instanceof Map ? value.get('k\xff') : undefined;
    expect(stored instanceof Uint8Array && stored.buffer === bytes.buffer).toBe(true);
  });

  it('keeps an object that is named twice the same object', () => {
    const value = valueOf(']q', 0, ']q', 1, 'h', 1, '\x86.');
    expect(Array.isArray(value) && value[0] === value[1]).toBe(true);
  });

  it('reads one of several pickles in a row, and says where the next begins', () => {
    const two = Uint8Array.from([...pickle('K', 7, '.'), ...pickle('K', 9, '.')]);
    const first = unpickle(two);
    expect(first).toEqual({ value: 7, end: 5 });
    expect(unpickle(two, { offset: first.end })).toEqual({ value: 9, end: 10 });
  });

  it('hands persistent ids to the caller, with the class that they name', () => {
    const storage = new PickleGlobal('torch.FloatStorage');
    const { value } = unpickle(pickle('U', 7, 'storagectorch\nFloatStorage\n\x86Q.'), {
      findClass: (module, name) => (`${module}.${name}` === storage.name ? storage : undefined),
      persistentLoad: (id) => [id],
    });
    expect(value).toEqual([[new TextEncoder().encode('storage'), storage]]);
  });

  it('refuses to run os.system, whatever way it is asked', () => {
    const attacks = [
      pickle('cos\nsystem\n(U', 2, 'idtR.'),
      pickle('cposix\nsystem\n)\x81.'),
      Uint8Array.from([0x80, 4, ...Buffer.from('\x8c\x02os\x8c\x06system\x93)R.', 'latin1')]),
    ];
    for (const attack of attacks) {
      expect(() => unpickle(attack, { findClass: findNumpyClass })).toThrow(
        /refused the name (os|posix)\.system/,
      );
    }
    // INST, OBJ
    expect(() => valueOf('(ios\nsystem\n.')).toThrow('refused the name os.system');
    expect(() => valueOf('(U', 2, 'ido.')).toThrow('refused to call');
    // Extension codes
    expect(() => valueOf('\x82\x01.')).toThrow('is not one that data needs');
    expect(() => valueOf('P1\n.')).toThrow('refused a persistent id');
    expect(() => valueOf('U', 1, 'xQ.')).toThrow('refused a persistent id');
  });

  it('refuses to call what is only data', () => {
    expect(() => unpickle(pickle('cnumpy\nndarray\n)R.'), { findClass: findNumpyClass })).toThrow(
      'refused to call numpy.ndarray',
    );
    expect(() => valueOf(')))R.')).toThrow('refused to call what is no class');
    expect(() => valueOf('K\x01}b.')).toThrow('an object that takes none');
  });

  it('says where a truncated pickle ends, at whatever byte it is cut', () => {
    const whole = fixture('python2-cifar100');
    const cuts = [0, 1, 2, 5, 10, 40, 130, 148, 150, 151, 4000, whole.length - 1];
    for (const length of cuts) {
      expect(() =>
        unpickle(whole.subarray(0, length), { findClass: findNumpyClass, source: 'train' }),
      ).toThrow(/^train, byte \d+: .*truncated/);
    }
  });

  it('turns every single-byte corruption into a value or a PickleError, never another failure', () => {
    const whole = fixture('python2-cifar100');
    // All bytes but the pixels, which may be anything.
    const places = Array.from(whole.keys()).filter((at) => at < 160 || at > 6290);
    let refused = 0;
    for (const at of places) {
      for (const change of [0x01, 0x80, 0xff]) {
        const copy = whole.slice();
        copy[at] = (copy[at] ?? 0) ^ change;
        try {
          unpickle(copy, { findClass: findNumpyClass });
        } catch (error) {
          expect(error).toBeInstanceOf(PickleError);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(places.length);
  });

  it.each([
    ['a protocol it does not know', Uint8Array.of(0x80, 9, 0x2e), 'protocol 0 to 5, found 9'],
    ['an empty stack', pickle('.'), 'a value is missing'],
    ['a missing mark', pickle('t.'), 'a mark is missing'],
    ['appending to no list', pickle('}K', 1, 'a.'), 'no list'],
    ['setting in no dict', pickle(']K', 1, 'K', 1, 's.'), 'no dict'],
    ['a key without a value', pickle('}(K', 1, 'u.'), 'key without a value'],
    ['a key twice', pickle('}K', 1, 'NsK', 1, 'Ns.'), 'a dict has the key'],
    ['an unknown memo', pickle('h', 3, '.'), 'stored under 3'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => unpickle(bytes)).toThrow(message);
    expect(() => unpickle(bytes)).toThrow(FileError);
  });
});

describe('NumPy arrays in pickles', () => {
  it.each([
    ['python2-cifar100', false],
    ['python2-cifar10-fortran', true],
    ['python3-protocol2-cifar100', false],
    ['python3-protocol4-cifar100', false],
    ['python3-protocol4-cifar10-fortran', true],
  ])('are read from %s', (name, fortranOrder) => {
    const { value } = unpickle(fixture(name), { findClass: findNumpyClass });
    const data = value instanceof Map ? value.get('data') : undefined;
    expect(data).toBeInstanceOf(NumpyArray);
    expect(data).toMatchObject({ shape: [2, 3072], dtype: '|u1', fortranOrder });
  });

  it('are refused when their bytes do not fill their shape', () => {
    const whole = fixture('python2-cifar100').slice();
    const shape = Buffer.from(whole).indexOf(Buffer.from('K\x02M\x00\x0c', 'latin1'));
    whole[shape + 1] = 3;
    expect(() => unpickle(whole, { findClass: findNumpyClass, source: 'train' })).toThrow(
      'A numpy.ndarray of u1 [3, 3072] has 6144 bytes, not 9216',
    );
  });
});

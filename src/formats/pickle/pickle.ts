/**
 * A reader of Python pickles that cannot be made to run anything.
 *
 * A pickle is a program for a small stack machine, and the usual reader lets it import and call any
 * function. This one knows the opcodes of protocols 0 to 5 that data needs and refuses the rest; a
 * global name means only what the caller's `findClass` says it means.
 *
 * Python's values become: None null, int number (bigint beyond 2^53), bytes, bytearray and Python 2's
 * str a Uint8Array that shares the input's memory, unicode string, list and tuple arrays, set and
 * frozenset a Set, dict a Map (bytes and a Python 2 str used as a key become a string, byte for byte).
 *
 * What a pickle builds is counted against the bound of `bounds.ts`: an opcode of one byte can repeat
 * an object of any size.
 *
 * Source: Lib/pickletools.py of CPython, which documents every opcode.
 */
import { Budget } from '../bounds.js';
import { PickleCursor } from './pickle-cursor.js';
import { PickleMachine } from './pickle-machine.js';
import { decimal, float, quotedBytes, rawUnicode } from './pickle-text.js';
import type { PickleGlobal, PickleValue } from './pickle-values.js';

export {
  PickleError,
  PickleGlobal,
  PickleObject,
  pickleText,
  type PickleDict,
  type PickleValue,
} from './pickle-values.js';

/** How a pickle is to be read. */
export interface UnpickleOptions {
  /** The global `name` of `module`, or undefined to refuse it (the default for all). */
  findClass?: (module: string, name: string) => PickleGlobal | undefined;
  /** The object that a persistent id stands for (PyTorch's storages). Default: refuse. */
  persistentLoad?: (id: PickleValue) => PickleValue;
  /** Where in the bytes the pickle begins. Default 0. */
  offset?: number;
  /** What the bytes are, for messages: a file name. Default 'pickle'. */
  source?: string;
  /** What it counts against. Default: a budget of its own, for the size of `bytes`. */
  budget?: Budget;
}

/**
 * Reads one pickle.
 *
 * @returns its value, and `end`, the offset just after it (pickles can follow one another)
 * @throws PickleError naming the source, the byte and what was wrong there
 */
export function unpickle(
  bytes: Uint8Array,
  options: UnpickleOptions = {},
): { value: PickleValue; end: number } {
  const cursor = new PickleCursor(bytes, options.offset ?? 0, options.source ?? 'pickle');
  const budget = options.budget ?? new Budget(bytes.length);
  const machine = new PickleMachine(cursor, { ...options, budget });
  for (;;) {
    const opcode = cursor.u8();
    if (opcode === 0x2e /* . STOP */) return { value: machine.pop(), end: cursor.at };
    step(opcode, cursor, machine);
  }
}

/** Does what one opcode says. */
function step(opcode: number, cursor: PickleCursor, machine: PickleMachine): void {
  switch (opcode) {
    case 0x80: // PROTO
      return machine.protocol(cursor.u8());
    case 0x95: // FRAME: its length only helps buffered readers
      cursor.u64();
      return;
    case 0x28: // ( MARK
      machine.mark();
      return;
    case 0x30: // 0 POP
      machine.drop();
      return;
    case 0x31: // 1 POP_MARK
      machine.popToMark();
      return;
    case 0x32: // 2 DUP
      return machine.push(machine.top());

    case 0x4e: // N NONE
      return machine.push(null);
    case 0x88: // NEWTRUE
      return machine.push(true);
    case 0x89: // NEWFALSE
      return machine.push(false);
    case 0x4b: // K BININT1
      return machine.push(cursor.u8());
    case 0x4d: // M BININT2
      return machine.push(cursor.u16());
    case 0x4a: // J BININT
      return machine.push(cursor.i32());
    case 0x49: // I INT
    case 0x4c: // L LONG
      return machine.text(decimal, 'a decimal number');
    case 0x8a: // LONG1
      return machine.push(machine.long(cursor.u8()));
    case 0x8b: // LONG4
      return machine.push(machine.long(cursor.i32()));
    case 0x47: // G BINFLOAT
      return machine.push(cursor.f64BigEndian());
    case 0x46: // F FLOAT
      return machine.text(float, 'a number');

    case 0x55: // U SHORT_BINSTRING
    case 0x43: // C SHORT_BINBYTES
      return machine.push(machine.bytes(cursor.u8()));
    case 0x54: // T BINSTRING
    case 0x42: // B BINBYTES
      return machine.push(machine.bytes(cursor.u32()));
    case 0x8e: // BINBYTES8
    case 0x96: // BYTEARRAY8
      return machine.push(machine.bytes(cursor.u64()));
    case 0x53: // S STRING
      return machine.text(quotedBytes, 'a string in quotes');
    case 0x8c: // SHORT_BINUNICODE
      return machine.push(cursor.text(cursor.u8()));
    case 0x58: // X BINUNICODE
      return machine.push(cursor.text(cursor.u32()));
    case 0x8d: // BINUNICODE8
      return machine.push(cursor.text(cursor.u64()));
    case 0x56: // V UNICODE
      return machine.text(rawUnicode, 'a text');

    case 0x5d: // ] EMPTY_LIST
    case 0x29: // ) EMPTY_TUPLE
      return machine.push(machine.list([]));
    case 0x7d: // } EMPTY_DICT
      return machine.push(machine.dict([]));
    case 0x8f: // EMPTY_SET
      return machine.push(machine.set([]));
    case 0x6c: // l LIST
    case 0x74: // t TUPLE
      return machine.push(machine.list(machine.popToMark()));
    case 0x64: // d DICT
      return machine.push(machine.dict(machine.popToMark()));
    case 0x91: // FROZENSET
      return machine.push(machine.set(machine.popToMark()));
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
      return machine.push(machine.list(machine.popMany(opcode - 0x84)));
    case 0x61: // a APPEND
      return machine.append([machine.pop()]);
    case 0x65: // e APPENDS
    case 0x90: // ADDITEMS
      return machine.append(machine.popToMark());
    case 0x73: // s SETITEM
      return machine.setItems(machine.popMany(2));
    case 0x75: // u SETITEMS
      return machine.setItems(machine.popToMark());

    case 0x71: // q BINPUT
      return machine.remember(cursor.u8());
    case 0x72: // r LONG_BINPUT
      return machine.remember(cursor.u32());
    case 0x70: // p PUT
      return machine.remember(machine.index(cursor.line()));
    case 0x94: // MEMOIZE
      return machine.memoize();
    case 0x68: // h BINGET
      return machine.push(machine.recall(cursor.u8()));
    case 0x6a: // j LONG_BINGET
      return machine.push(machine.recall(cursor.u32()));
    case 0x67: // g GET
      return machine.push(machine.recall(machine.index(cursor.line())));

    case 0x63: // c GLOBAL
      return machine.push(machine.global(cursor.line(), cursor.line()));
    case 0x93: {
      // STACK_GLOBAL
      const [module, name] = machine.popMany(2);
      return machine.push(machine.global(machine.asText(module), machine.asText(name)));
    }
    case 0x52: // R REDUCE
    case 0x81: {
      // NEWOBJ
      const [callee, args] = machine.popMany(2);
      return machine.construct(callee, args);
    }
    case 0x92: {
      // NEWOBJ_EX: with arguments by name, which no class that is known here takes
      const [callee, args] = machine.popMany(3);
      return machine.construct(callee, args);
    }
    case 0x69: {
      // i INST
      const callee = machine.global(cursor.line(), cursor.line());
      return machine.construct(callee, machine.popToMark());
    }
    case 0x6f: {
      // o OBJ
      const [callee, ...args] = machine.popToMark();
      return machine.construct(callee, args);
    }
    case 0x62: // b BUILD
      return machine.build();
    case 0x51: // Q BINPERSID
      return machine.persistent(machine.pop());
    case 0x50: // P PERSID
      return machine.persistent(cursor.line());

    case 0x97: // NEXT_BUFFER
      throw cursor.error(
        'its arrays lie outside of the pickle, in buffers that are not in the file. Save them ' +
          'without buffer_callback',
      );
    default:
      throw cursor.error(
        `opcode 0x${opcode.toString(16).padStart(2, '0')} is not one that data needs, or the file is corrupt`,
      );
  }
}

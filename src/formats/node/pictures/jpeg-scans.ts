/**
 * Following the coded data of a JPEG far enough to tell whether all of its blocks are there. Codes are read
 * and values skipped; nothing is decoded. ITU-T T.81, chapters F.2 and G.2.
 */

/** A colour channel: its sampling factors. */
export interface FrameComponent {
  readonly id: number;
  readonly across: number;
  readonly down: number;
}

/** What SOF says. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly components: readonly FrameComponent[];
  readonly coding: 'sequential' | 'progressive' | 'other';
}

/** For each 16 bits that may come next: length of the code times 256, plus the symbol; 0 for no code. */
type CodeTable = Uint16Array;

/** Scans after these are not followed: no picture needs as many, and each takes time. */
const MOST_SCANS = 64;

/** Pictures beyond this are not followed: marks of coefficients would take too much memory. */
const MOST_BLOCKS = 8_000_000;

/** The data do not say what follows: a code that no table has. */
const UNKNOWN = new Error('A code that no table has.');
/** The data end, or a marker comes, where bits are still needed. */
const MISSING = new Error('The data end too early.');

/** Blocks of a component within the picture and, where scans interleave, filled up to whole units. */
interface Component extends FrameComponent {
  readonly columns: number;
  readonly rows: number;
  readonly stride: number;
  /** Which coefficients are known not to be 0, one bit each, two words a block; for progressive files. */
  readonly known: Uint32Array;
}

interface Scan {
  readonly components: readonly {
    readonly component: Component;
    readonly dc: CodeTable | undefined;
    readonly ac: CodeTable | undefined;
  }[];
  /** First and last coefficient. */
  readonly from: number;
  readonly to: number;
  /** A progressive scan that adds one bit to what earlier ones have said. */
  readonly refines: boolean;
  /** Blocks, after this one, without further coefficients. */
  bands: number;
}

/** The scans of one file, in their order. */
export class JpegScans {
  readonly #frame: Frame;
  readonly #components: readonly Component[];
  readonly #units: { readonly columns: number; readonly rows: number };
  /** As DHT says them, until a scan uses them. */
  readonly #definitions = new Map<number, Uint8Array>();
  readonly #tables = new Map<number, CodeTable>();
  #restart = 0;
  #scans = 0;
  /** The channels of which there is more than detail. */
  readonly #begun = new Set<Component>();

  constructor(frame: Frame) {
    const { width, height, components } = frame;
    const most = (values: number[]): number => Math.max(1, ...values);
    const across = most(components.map((one) => one.across));
    const down = most(components.map((one) => one.down));
    const units = {
      columns: Math.ceil(width / (8 * across)),
      rows: Math.ceil(height / (8 * down)),
    };
    this.#units = units;
    const blocks = components.reduce(
      (sum, one) => sum + units.columns * units.rows * one.across * one.down,
      0,
    );
    const progressive = frame.coding === 'progressive';
    const marked = progressive && blocks <= MOST_BLOCKS;
    this.#frame = progressive && !marked ? { ...frame, coding: 'other' } : frame;
    this.#components = components.map((one) => ({
      ...one,
      columns: Math.ceil((width * one.across) / (8 * across)),
      rows: Math.ceil((height * one.down) / (8 * down)),
      stride: units.columns * one.across,
      known: new Uint32Array(marked ? 2 * units.columns * one.across * units.rows * one.down : 0),
    }));
  }

  /** DHT: some tables of codes. */
  defineTables(content: Uint8Array): void {
    for (let at = 0; at + 17 <= content.length;) {
      const name = content[at] ?? 0;
      const end =
        at + 17 + content.subarray(at + 1, at + 17).reduce((sum, count) => sum + count, 0);
      this.#definitions.set(name, content.subarray(at + 1, end));
      this.#tables.delete(name);
      at = end;
    }
  }

  #table(name: number): CodeTable | undefined {
    const definition = this.#definitions.get(name);
    const table = this.#tables.get(name) ?? (definition && codeTable(definition));
    if (table) this.#tables.set(name, table);
    return table;
  }

  /** DRI: after how many units a restart marker comes. */
  setRestartInterval([high = 0, low = 0]: Uint8Array): void {
    this.#restart = 256 * high + low;
  }

  /**
   * Follows one scan.
   *
   * @param head what SOS says
   * @param bytes the file
   * @param at where the scan's data begin
   * @returns false if blocks are missing; undefined where that cannot be told
   */
  scan(head: Uint8Array, bytes: Uint8Array, at: number): boolean | undefined {
    const scan = this.#begin(head);
    this.#scans += 1;
    const followed = this.#frame.coding !== 'other' && this.#scans <= MOST_SCANS;
    if (!followed || scan === undefined) return undefined;
    const bits = new Bits(bytes, at);
    try {
      this.#follow(scan, bits);
      if (scan.from === 0) for (const { component } of scan.components) this.#begun.add(component);
      return true;
    } catch (reason) {
      if (reason === MISSING) return false;
      if (reason === UNKNOWN) return undefined;
      throw reason;
    }
  }

  /** False if there was no scan at all of a channel. Only where every scan could be followed. */
  get hasEveryChannel(): boolean {
    return this.#begun.size === this.#components.length;
  }

  #begin(head: Uint8Array): Scan | undefined {
    const [count = 0] = head;
    if (head.length < 4 + 2 * count) return undefined;
    const [from = 0, to = 0, bitsAt = 0] = head.subarray(1 + 2 * count);
    const components = Array.from({ length: count }, (_, i) => {
      const [id, tables = 0] = head.subarray(1 + 2 * i);
      const component = this.#components.find((one) => one.id === id);
      const dc = this.#table(tables >> 4);
      const ac = this.#table(0x10 | (tables & 15));
      return component && { component, dc, ac };
    }).filter((one) => one !== undefined);
    if (components.length !== count || count === 0 || from > to || to > 63) return undefined;
    const progressive = this.#frame.coding === 'progressive';
    // Only coefficients at 0 may come from several channels at a time.
    if (progressive && from > 0 && count > 1) return undefined;
    return {
      components,
      from: progressive ? from : 0,
      to: progressive ? to : 63,
      refines: progressive && bitsAt >> 4 > 0,
      bands: 0,
    };
  }

  #follow(scan: Scan, bits: Bits): void {
    const [only] = scan.components;
    const alone = scan.components.length === 1 && only !== undefined;
    const { columns, rows } = alone ? only.component : this.#units;
    let left = this.#restart;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        if (this.#restart > 0 && left === 0) {
          bits.restart();
          scan.bands = 0;
          left = this.#restart;
        }
        left -= 1;
        if (alone) {
          this.#block(scan, only, row * only.component.stride + column, bits);
          continue;
        }
        for (const part of scan.components) {
          const { across, down, stride } = part.component;
          for (let y = row * down; y < (row + 1) * down; y++) {
            for (let x = column * across; x < (column + 1) * across; x++) {
              this.#block(scan, part, y * stride + x, bits);
            }
          }
        }
      }
    }
  }

  #block(scan: Scan, part: Scan['components'][number], block: number, bits: Bits): void {
    if (this.#frame.coding === 'sequential') {
      bits.skip(bits.symbol(part.dc) & 15);
      for (let k = 1; k < 64; k++) {
        const symbol = bits.symbol(part.ac);
        if (symbol === 0) break;
        k += symbol >> 4;
        bits.skip(symbol & 15);
      }
    } else if (scan.from === 0) {
      bits.skip(scan.refines ? 1 : bits.symbol(part.dc) & 15);
    } else {
      const { known } = part.component;
      if (scan.refines) refine(scan, part.ac, new Marks(known, block), bits);
      else first(scan, part.ac, new Marks(known, block), bits);
    }
  }
}

/** A block's coefficients in the first scan that has them. */
function first(scan: Scan, table: CodeTable | undefined, marks: Marks, bits: Bits): void {
  if (scan.bands > 0) {
    scan.bands -= 1;
    return;
  }
  for (let k = scan.from; k <= scan.to; k++) {
    const symbol = bits.symbol(table);
    const run = symbol >> 4;
    const size = symbol & 15;
    if (size === 0 && run < 15) {
      scan.bands = 2 ** run - 1 + bits.read(run);
      return;
    }
    k += run;
    if (size > 0) {
      bits.skip(size);
      marks.set(k);
    }
  }
}

/** A block's coefficients in a scan that adds a bit to those known and says which others come up. */
function refine(scan: Scan, table: CodeTable | undefined, marks: Marks, bits: Bits): void {
  let k = scan.from;
  if (scan.bands === 0) {
    for (; k <= scan.to; k++) {
      const symbol = bits.symbol(table);
      let run = symbol >> 4;
      const comesUp = (symbol & 15) > 0;
      if (!comesUp && run < 15) {
        scan.bands = 2 ** run + bits.read(run);
        break;
      }
      if (comesUp) bits.skip(1);
      for (; k <= scan.to; k++) {
        if (marks.has(k)) bits.skip(1);
        else if (run === 0) break;
        else run -= 1;
      }
      if (comesUp) marks.set(k);
    }
  }
  if (scan.bands > 0) {
    for (; k <= scan.to; k++) if (marks.has(k)) bits.skip(1);
    scan.bands -= 1;
  }
}

/** Which coefficients of one block are known not to be 0. */
class Marks {
  constructor(
    readonly words: Uint32Array,
    readonly block: number,
  ) {}

  has(k: number): boolean {
    return (((this.words[2 * this.block + (k >> 5)] ?? 0) >>> (k & 31)) & 1) === 1;
  }

  set(k: number): void {
    const at = 2 * this.block + (k >> 5);
    if (k < 64) this.words[at] = (this.words[at] ?? 0) | (1 << (k & 31));
  }
}

/** The bits of a scan: FF 00 stands for FF, and a marker ends them. */
class Bits {
  /** The last bits read, of which `#count` are still to come. */
  #word = 0;
  #count = 0;

  constructor(
    readonly bytes: Uint8Array,
    private at: number,
  ) {}

  /** The symbol of the next code. */
  symbol(table: CodeTable | undefined): number {
    if (table === undefined) throw UNKNOWN;
    const missing = this.#fill(16);
    const next = missing > 0 ? (this.#word << missing) & 0xffff : this.#peek(16);
    const entry = table[next] ?? 0;
    const length = entry >> 8;
    // Bits beyond the end are zeros here: a code that reaches into them is not there.
    if (length > this.#count) throw MISSING;
    if (length === 0) throw missing > 0 ? MISSING : UNKNOWN;
    this.#count -= length;
    return entry & 255;
  }

  read(count: number): number {
    if (count === 0) return 0;
    if (this.#fill(count) > 0) throw MISSING;
    const value = this.#peek(count);
    this.#count -= count;
    return value;
  }

  skip(count: number): void {
    if (count === 0) return;
    if (this.#fill(count) > 0) throw MISSING;
    this.#count -= count;
  }

  /** Goes on behind the next restart marker. */
  restart(): void {
    this.#count = 0;
    while (this.bytes[this.at] === 0xff && this.bytes[this.at + 1] === 0xff) this.at += 1;
    const marker = this.bytes[this.at + 1] ?? 0;
    if (this.bytes[this.at] !== 0xff) throw UNKNOWN;
    if (marker < 0xd0 || marker > 0xd7) throw MISSING;
    this.at += 2;
  }

  /** Reads bytes until there are so many bits. @returns how many are missing in the end */
  #fill(count: number): number {
    while (this.#count < count) {
      const byte = this.bytes[this.at];
      if (byte === undefined) break;
      if (byte === 0xff) {
        if (this.bytes[this.at + 1] !== 0) break;
        this.at += 1;
      }
      this.at += 1;
      this.#word = ((this.#word & 0xffff) << 8) | byte;
      this.#count += 8;
    }
    return Math.max(0, count - this.#count);
  }

  #peek(count: number): number {
    return (this.#word >>> (this.#count - count)) & (2 ** count - 1);
  }
}

/** @param definition how many codes there are of each length from 1 to 16, and their symbols */
function codeTable(definition: Uint8Array): CodeTable {
  const table = new Uint16Array(65536);
  let at = 0;
  let next = 16;
  for (let length = 1; length <= 16; length++) {
    const span = 2 ** (16 - length);
    for (let i = 0; i < (definition[length - 1] ?? 0); i++, next++) {
      table.fill(256 * length + (definition[next] ?? 0), at, at + span);
      at += span;
    }
  }
  return table;
}

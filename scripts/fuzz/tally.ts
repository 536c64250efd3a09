/** What came of a number of inputs. */

/** An input that a reader did not take as it should, as the first of its kind. */
export interface Fault {
  /** `TypeError`, `over 2 s`, `process died`, .. */
  readonly kind: string;
  readonly index: number;
  readonly message: string;
  /** Where in the sources it was thrown. */
  readonly where: string;
}

/** An input and a measure of it. */
export interface Extreme {
  readonly index: number;
  readonly value: number;
}

/** Counts that can be added up. */
export interface Tally {
  inputs: number;
  /** Read without an error. */
  read: number;
  /** Errors by their class; those that are no fault. */
  refused: Record<string, number>;
  /** Faults by kind, message and place, with how many there were. */
  faults: Record<string, { fault: Fault; count: number }>;
  /** The longest times in milliseconds, longest first. */
  slowest: Extreme[];
  /** The largest growths of memory in bytes, largest first; with what was not yet collected. */
  largest: Extreme[];
  milliseconds: number;
}

/** So many extremes are kept, to be measured again alone. */
const KEPT = 4;

export function emptyTally(): Tally {
  return {
    inputs: 0,
    read: 0,
    refused: {},
    faults: {},
    slowest: [],
    largest: [],
    milliseconds: 0,
  };
}

/** Notes a fault; its kind is told by class, message (numbers and quotes aside) and place. */
export function addFault(tally: Tally, fault: Fault, count = 1): void {
  const shape = fault.message.replace(/'[^']*'|"[^"]*"|[\d.e+-]*\d/g, '#').slice(0, 120);
  const key = `${fault.kind} | ${fault.where} | ${shape}`;
  const known = tally.faults[key];
  tally.faults[key] = { fault: known?.fault ?? fault, count: (known?.count ?? 0) + count };
}

/** Notes a measure among the largest ones. */
export function addExtreme(extremes: Extreme[], extreme: Extreme): void {
  if (extremes.length === KEPT && extreme.value <= (extremes.at(-1)?.value ?? 0)) return;
  extremes.push(extreme);
  extremes.sort((a, b) => b.value - a.value);
  extremes.length = Math.min(extremes.length, KEPT);
}

/** Adds one tally to another. */
export function addTally(total: Tally, more: Tally): void {
  total.inputs += more.inputs;
  total.read += more.read;
  total.milliseconds += more.milliseconds;
  for (const [name, count] of Object.entries(more.refused)) {
    total.refused[name] = (total.refused[name] ?? 0) + count;
  }
  for (const { fault, count } of Object.values(more.faults)) addFault(total, fault, count);
  for (const extreme of more.slowest) addExtreme(total.slowest, extreme);
  for (const extreme of more.largest) addExtreme(total.largest, extreme);
}

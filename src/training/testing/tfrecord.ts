/**
 * A reader of TensorBoard event files for the tests, written from the published format and
 * sharing nothing with the writer: the checksum goes bit by bit, the messages byte by byte.
 */

/** One Event: the fields that a test may ask for. */
export interface ReadEvent {
  wallTime: number;
  step: number;
  fileVersion?: string;
  sessionStatus?: number;
  scalars: Record<string, number>;
}

/** The events of a file; throws where a length or a checksum does not hold. */
export function readEvents(bytes: Uint8Array): ReadEvent[] {
  return readRecords(bytes).map(readEvent);
}

/** The data of every record of a file. */
export function readRecords(bytes: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at < bytes.length) {
    const length = Number(view.getBigUint64(at, true));
    expectCrc(bytes.subarray(at, at + 8), view.getUint32(at + 8, true));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expectCrc(data, view.getUint32(at + 12 + length, true));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

function expectCrc(data: Uint8Array, masked: number): void {
  const rotated = BigInt.asUintN(32, BigInt(masked) - 0xa282ead8n);
  const stored = Number(BigInt.asUintN(32, (rotated << 15n) | (rotated >> 17n)));
  if (crc32cBitByBit(data) !== stored) throw new Error(`checksum ${stored} does not hold`);
}

/** CRC-32C by its definition, a division of polynomials. */
export function crc32cBitByBit(data: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of data) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ BigInt(byte >> bit)) & 1n;
      crc = (crc >> 1n) ^ (odd === 1n ? 0x82f63b78n : 0n);
    }
  }
  return Number(crc ^ 0xffffffffn);
}

function readEvent(data: Uint8Array): ReadEvent {
  const event: ReadEvent = { wallTime: NaN, step: 0, scalars: {} };
  for (const { number, value } of fields(data)) {
    if (number === 1) event.wallTime = asView(value).getFloat64(0, true);
    if (number === 2) event.step = Number(value);
    if (number === 3) event.fileVersion = new TextDecoder().decode(asBytes(value));
    if (number === 5) for (const item of fields(asBytes(value))) addScalar(event, item.value);
    if (number === 7) event.sessionStatus = Number(fields(asBytes(value))[0]?.value);
  }
  return event;
}

function addScalar(event: ReadEvent, message: Field['value']): void {
  const [tag, value] = fields(asBytes(message));
  if (tag?.number !== 1 || value?.number !== 2) throw new Error('not a tag and a simple_value');
  const name = new TextDecoder().decode(asBytes(tag.value));
  event.scalars[name] = asView(value.value).getFloat32(0, true);
}

interface Field {
  number: number;
  value: bigint | Uint8Array;
}

/** The fields of a protobuf message: varints as numbers, everything else as its bytes. */
function fields(message: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(message[at++] ?? 0);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  const take = (length: number) => message.subarray(at, (at += length));
  while (at < message.length) {
    const key = Number(varint());
    const number = key >> 3;
    const wire = key & 7;
    if (wire === 0) found.push({ number, value: varint() });
    else if (wire === 1) found.push({ number, value: take(8) });
    else if (wire === 5) found.push({ number, value: take(4) });
    else if (wire === 2) found.push({ number, value: take(Number(varint())) });
    else throw new Error(`unknown wire type ${wire}`);
  }
  return found;
}

function asBytes(value: Field['value']): Uint8Array {
  if (typeof value === 'bigint') throw new Error('a number where a message should be');
  return value;
}

function asView(value: Field['value']): DataView {
  const bytes = asBytes(value);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

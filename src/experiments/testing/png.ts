import { crc32 as nodeCrc32, deflateSync } from 'node:zlib';

/** A PNG file of RGB pixels, by the specification: signature, IHDR, one IDAT, IEND. */
export function png(
  size: number,
  pixel: (row: number, column: number) => readonly [number, number, number],
): Buffer {
  const rows = Array.from({ length: size }, (_, row) => {
    const pixels = Array.from({ length: size }, (_, column) => pixel(row, column)).flat();
    return Buffer.from([0, ...pixels.map((value) => Math.max(0, Math.min(255, value)))]);
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(nodeCrc32(body));
  return Buffer.concat([length, body, check]);
}

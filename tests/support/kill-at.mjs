/**
 * Preloaded by a test (`node --import`): ends the process as SIGKILL does, at a moment of its writing
 * that the variable KILL_AT names as `MOMENT FILE COUNT`, such as `half last.safetensors 2`:
 *
 *   half     the count-th writing of the file has put half of its bytes on the disk
 *   written  the bytes are on the disk, but not yet under the file's name
 *   named    the file has its name
 *
 * TensorBoard's event file goes by the name `events`; it is appended to.
 */
import { Buffer } from 'node:buffer';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const [wantedMoment, wantedFile, count] = process.env.KILL_AT.split(' ');
let left = Number(count);

function reaches(moment, file) {
  return moment === wantedMoment && file === wantedFile && --left === 0;
}

const die = () => process.kill(process.pid, 'SIGKILL');

const { open, rename } = promises;

promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  const name = basename(String(path));
  const temporary = /^\.(.+)\.[0-9a-f]{12}\.tmp$/.exec(name)?.[1];
  const events = name.startsWith('events.out.tfevents.');
  if (temporary !== undefined) dieHalfWay(handle, 'writeFile', temporary);
  if (events) dieHalfWay(handle, 'appendFile', 'events');
  return handle;
};

function dieHalfWay(handle, method, file) {
  const write = handle[method].bind(handle);
  handle[method] = async (content) => {
    if (!reaches('half', file)) return write(content);
    const bytes = Buffer.from(content);
    await write(bytes.subarray(0, bytes.length / 2));
    die();
  };
}

promises.rename = async (from, to) => {
  const file = basename(String(to));
  if (reaches('written', file)) die();
  await rename(from, to);
  if (reaches('named', file)) die();
};
syncBuiltinESMExports();

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, RequestError } from '../../errors.js';
import { lockFolder, withLock } from './lock.js';

const COMPILED = new URL('../../../dist/training/node/lock.js', import.meta.url).href;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A process that does this with `withLock`, `folder` and `fs`; its last line tells what came of it. */
function contender(body: string): {
  child: ChildProcess;
  said: Promise<string>;
  held: Promise<void>;
} {
  const program = `
    import * as fs from 'node:fs/promises';
    import { setTimeout as sleep } from 'node:timers/promises';
    const { withLock } = await import(${JSON.stringify(COMPILED)});
    const folder = ${JSON.stringify(folder)};
    const within = async () => { console.log('held'); ${body} };
    await withLock(folder, within).then(() => console.log('done'), (error) => console.log(error.message));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  let hold: () => void;
  const held = new Promise<void>((resolve) => (hold = resolve));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (printed.includes('held')) hold();
  });
  const said = once(child, 'close').then(() => printed.trim().split('\n').at(-1) ?? '');
  return { child, said, held };
}

const FOR_EVER = 'await sleep(60_000);';
/** Fails where another is inside at the same time. */
const ALONE =
  "await fs.writeFile(folder + '/inside', '', { flag: 'wx' }); await sleep(30); await fs.rm(folder + '/inside');";

describe('withLock', () => {
  it('names the process while the work goes on, and leaves nothing behind', async () => {
    const inside = await withLock(folder, () => readFile(join(folder, 'lock'), 'utf8'));
    expect(inside).toBe(`${process.pid}\n${hostname()}\n`);
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses while another process is at work, and leaves its lock', async () => {
    const holder = contender(FOR_EVER);
    await holder.held;
    const before = await readFile(join(folder, 'lock'), 'utf8');
    const entering = withLock(folder, () => Promise.resolve('inside'));
    await expect(entering).rejects.toThrow(RequestError);
    await expect(entering).rejects.toThrow(
      `Process ${holder.child.pid} is at work in ${folder}. Wait for it to end`,
    );
    expect(await readFile(join(folder, 'lock'), 'utf8')).toBe(before);
    holder.child.kill('SIGKILL');
    await holder.said;
  }, 20_000);

  it('refuses a second one of the same process', async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`Process ${process.pid} is at work`);
    await lock.release();
    await lock.release();
    await (await lockFolder(folder)).release();
  }, 20_000);

  it('is not taken from a process that is suspended', async () => {
    const holder = contender("await sleep(500); await fs.writeFile(folder + '/mine', '');");
    await holder.held;
    holder.child.kill('SIGSTOP');
    await expect(lockFolder(folder)).rejects.toThrow(`Process ${holder.child.pid} is at work`);
    holder.child.kill('SIGCONT');
    expect(await holder.said).toBe('done');
    expect(await readdir(folder)).toEqual(['mine']);
  }, 20_000);

  it('is taken over by exactly one at a time when its holder is killed', async () => {
    for (let round = 0; round < 3; round++) {
      const holder = contender(FOR_EVER);
      await holder.held;
      const others = Array.from({ length: 8 }, () => contender(ALONE));
      holder.child.kill('SIGKILL');
      for (const { said } of others) expect(await said).toBe('done');
      expect(await readdir(folder)).toEqual([]);
    }
  }, 60_000);

  it.each([
    ['that is always there', () => '1\n'],
    ['that is this one', () => `${process.pid}\n`],
    ['of nobody', () => ''],
  ])('does not believe a file with the number of a process %s', async (_, content) => {
    await writeFile(join(folder, 'lock'), content());
    expect(await withLock(folder, () => Promise.resolve('inside'))).toBe('inside');
  });

  it('opens again after a failure', async () => {
    const failing = withLock(folder, () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    expect(await withLock(folder, () => Promise.resolve('inside'))).toBe('inside');
  });

  it('says when the folder cannot be written, or has a folder of that name', async () => {
    const missing = withLock(join(folder, 'nowhere'), () => Promise.resolve());
    await expect(missing).rejects.toThrow(FileError);
    await mkdir(join(folder, 'lock'));
    await expect(withLock(folder, () => Promise.resolve())).rejects.toThrow(FileError);
  });
});

/** "Your own images" of the README: its commands work as they are written there, on pictures of every kind. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePictures } from '../docs/examples/make-pictures.js';
import { runFovea } from './support/command.js';

const README = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const [, section = ''] = /## Your own images in .*?\n```sh\n(.*?)```/s.exec(README) ?? [];
const COMMANDS = section
  .trim()
  .split('\n')
  .map((line) => line.replace(/ *#.*$/, '').split(' '));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-readme-'));
  // Two of every kind.
  makePictures(join(folder, 'flowers'), 16);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a command of the section printed; it must succeed. */
async function run(command: string): Promise<string> {
  const line = COMMANDS.find(([, , name]) => name === command) ?? [];
  const [npx, program, ...args] = line;
  expect([npx, program]).toEqual(['npx', 'fovea']);
  const { code, stdout, stderr } = await runFovea(folder, args);
  expect(code, `${line.join(' ')}\n${stderr}`).toBe(0);
  return stdout;
}

describe("the README's way from a folder of pictures to a report", () => {
  it('trains', async () => {
    const said = await run('train');
    expect(said).toContain('folder: 39 images to train, 9 to validate');
    expect(existsSync(join(folder, 'runs/flowers/best.safetensors'))).toBe(true);
  }, 180_000);

  it('evaluates', async () => {
    expect(await run('eval')).toMatch(/9 validation images of folder\nloss .* top-1 /);
  }, 120_000);

  it('predicts', async () => {
    const said = await run('predict');
    expect(said.match(/\.(?:png|jpg|webp)/g)).toHaveLength(48);
    expect(said).toMatch(/(?:cross|disc|square) +\d/);
  }, 120_000);

  it('explains', async () => {
    await run('explain');
    const text = await readFile(join(folder, 'runs/flowers/explanation/index.json'), 'utf8');
    expect((JSON.parse(text) as { images: unknown[] }).images).toHaveLength(48);
  }, 180_000);

  it('exports', async () => {
    expect(await run('export')).toContain('pixels from 0 to 1');
    expect(existsSync(join(folder, 'flowers.onnx'))).toBe(true);
  }, 120_000);

  it('compares', async () => {
    const said = await run('compare');
    expect(said).toMatch(/^cbam +272,165 /m);
    expect(said).toMatch(/Report: .*report\.html$/m);
  }, 600_000);

  it('tests all that the section has', () => {
    expect(COMMANDS.map(([, , name]) => name)).toEqual([
      ...['train', 'eval', 'predict', 'explain', 'export', 'compare'],
    ]);
  });
});

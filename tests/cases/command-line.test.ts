/** The command line as people try it: long, wrong, hostile, cut off. */
import { spawn, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attention } from '../../src/attention/index.js';
import { saveTensors } from '../../src/formats/node/files.js';
import { expectNoTrace, runFovea } from '../support/command.js';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const golden = (name: string) => path(`tests/fixtures/golden/${name}.safetensors`);

let folder: string;
const at = (name: string) => join(folder, name);
const fovea = (...args: string[]) => runFovea(folder, args);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-line-'));
  await mkdir(at('cases/below'), { recursive: true });
  await mkdir(at('empty'));
  await cp(golden('se.conv'), at('cases/se.conv.safetensors'));
  await cp(golden('sf'), at('cases/below/sf.safetensors'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a command line of more than a megabyte', () => {
  // Linux passes on two megabytes at most, the environment among them.
  const long = Array.from(
    { length: 12_000 },
    (_, i) => `${String(i).padStart(6, '0')}${'x'.repeat(94)}`,
  );

  it('is verified like a short one', async () => {
    const { code, signal, stdout } = await fovea('verify', golden('se.conv'), ...long, '--json');
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    const results = JSON.parse(stdout) as { status: string }[];
    expect(results).toHaveLength(12_001);
    expect(results.filter(({ status }) => status === 'pass')).toHaveLength(1);
  });

  it.each([true, false])('leaves a program its runtime, with a thread: %s', (worker) => {
    const program =
      `import { createRuntime } from ${JSON.stringify(path('dist/node.js'))};` +
      `const runtime = await createRuntime('cpu', { worker: ${worker} });` +
      "console.log('runs'); await runtime.close();";
    const args = ['--input-type=module', '-e', program, ...long];
    const { status, signal, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: 'runs\n' });
  });

  it.skipIf(process.platform !== 'linux')(
    'is refused where the engine cannot be kept from reading it: in a thread of the program',
    () => {
      const inside =
        `import(${JSON.stringify(path('dist/node.js'))})` +
        '.then(({ createRuntime }) => createRuntime()).catch((error) => console.log(error.message))';
      const program = `new (require('node:worker_threads').Worker)(${JSON.stringify(inside)}, { eval: true })`;
      const env = { ...process.env, ORT_DISABLE_TELEMETRY: undefined };
      const run = (...args: string[]) =>
        spawnSync(process.execPath, ['-e', program, ...args], { encoding: 'utf8', env });
      expect(run(...long).stdout).toMatch(
        /the command line has \d+ bytes.*ORT_DISABLE_TELEMETRY=1/,
      );
      expect(run('short')).toMatchObject({ status: 0, stdout: '' });
    },
  );
});

describe('files from arguments', () => {
  it('verify takes a folder and a quoted pattern', async () => {
    expect((await fovea('verify', 'cases')).stdout).toMatch(/^2 cases: 2 passed$/m);
    expect((await fovea('verify', 'cases/**/sf.*')).stdout).toMatch(/^1 case: 1 passed$/m);
    const none = await fovea('verify', 'empty');
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(/no golden case \(\.safetensors\) in the folder empty/);
  });

  it('convert writes what it finds in a folder into another', async () => {
    await cp(path('tests/fixtures/pytorch/tensors.pt'), at('weights/a.pt'));
    await cp(path('tests/fixtures/pytorch/tensors-old.pt'), at('weights/b.pt'));
    await writeFile(at('weights/c.pt'), 'not weights');
    const { code, stdout, stderr } = await fovea('convert', 'weights', 'made', '--json');
    expect(stderr).toMatch(/weights\/c\.pt/);
    expect(code).toBe(2);
    const converted = JSON.parse(stdout) as { from: string; to: string }[];
    expect(converted.map(({ from, to }) => [from, to])).toEqual([
      ['weights/a.pt', 'made/a.safetensors'],
      ['weights/b.pt', 'made/b.safetensors'],
    ]);
    expect((await fovea('convert', 'made')).stdout.match(/^made\/.* tensors/gm)).toHaveLength(2);
    const own = await fovea('convert', 'made', 'made');
    expect(own.code).toBe(2);
    expect(own.stderr).toMatch(/made\/a\.safetensors would be written over/);
    await cp(at('weights/a.pt'), at('weights/more/a.pth'));
    expect((await fovea('convert', 'weights', 'made2')).stderr).toMatch(
      /weights\/a\.pt and weights\/more\/a\.pth would both become made2\/a\.safetensors/,
    );
  });

  it('explain says what it does not find', async () => {
    const { code, stderr } = await fovea('explain', '--run', '.', '--images', 'empty');
    expect(code).toBe(2);
    expect(stderr).toMatch(/no picture \(\.png, .*\) in the folder empty/);
  });
});

describe('names that would command a terminal', () => {
  // The rule is that nothing but line ends may be left of control and format characters.
  const tame = (text: string) => expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  const evil = '\u001b]0;owned\u0007\u009b31m\u202e\u200b\u2028\u007f';

  it.each([
    ['a file', ['verify', `${evil}.safetensors`]],
    ['a run', ['eval', '--run', evil]],
    ['a flag', ['train', `--${evil}`]],
    ['a value', ['train', '--lr', evil]],
    ['a command', [evil]],
    ['an attention', ['cost', '--attention', evil]],
    ['a thing to list', ['list', evil]],
    ['a model', ['cost', '--model', evil]],
    ['a run to go on with', ['train', '--resume', evil]],
  ])('are escaped: of %s', async (_, args) => {
    const result = await fovea(...args);
    expect(result.code).not.toBe(0);
    expectNoTrace(result);
    tame(result.stdout + result.stderr);
    expect(result.stdout + result.stderr).toContain('\\u001b');
  });

  it('are escaped: of tensors, in tables and in JSON, which means the same', async () => {
    const stored = { dtype: 'F32', shape: [1], data: new Float32Array(1) } as const;
    await saveTensors(at('evil.safetensors'), new Map([[`${evil}\nx`, stored]]), { key: evil });
    const text = await fovea('convert', 'evil.safetensors');
    tame(text.stdout);
    expect(text.stdout).toContain(
      '\\u001b]0;owned\\u0007\\u009b31m\\u202e\\u200b\\u2028\\u007f\\nx',
    );
    const json = await fovea('convert', 'evil.safetensors', '--json');
    tame(json.stdout);
    const { tensors, metadata } = JSON.parse(json.stdout) as {
      tensors: { name: string }[];
      metadata: { key: string };
    };
    expect(tensors[0]?.name).toBe(`${evil}\nx`);
    expect(metadata.key).toBe(evil);
  });
});

describe('--attention', () => {
  it('says options and stages in one word, as in compare', async () => {
    const flags = ['--attention-options', 'ratio=8,bias=true', '--stages', '2,3'];
    const [word, apart] = await Promise.all([
      fovea('cost', '--model', 'resnet20', '--attention', 'cbam:ratio=8:bias=true@2+3', '--json'),
      fovea('cost', '--model', 'resnet20', '--attention', 'cbam', ...flags, '--json'),
    ]);
    expect(word.code).toBe(0);
    expect(word.stdout).toBe(apart.stdout);
  });

  it.each([
    ['what a flag says too', 'se@3 --stages 2', /says what --stages says too: leave out one/],
    ['half a stage', 'se@', /'se@' is no mechanism\. Expected an id/],
    ['stages of none', 'none@3', /Stages were given for the attention, but the attention is none/],
    ['what does not fit', 'gated-fusion', /joins 2 feature maps/],
    ['a stage that is not there', 'se@4 --model resnet20', /network's 1 to 3, not 4/],
  ])('refuses %s', async (_, request, message) => {
    for (const command of ['train', 'cost']) {
      const result = await fovea(command, '--attention', ...request.split(' '));
      expect(result.stderr).toMatch(message);
      expect(result.code).toBe(2);
    }
  });

  it('takes all that list shows under its name, and list shows the others apart', async () => {
    const { stdout } = await fovea('list');
    const [, under = '', apart = ''] = stdout.split(
      /^(?=Attention \(--attention\)|For networks of|Fusions \()/m,
    );
    const ids = (text: string) =>
      attention.list().flatMap(({ id }) => (new RegExp(`^${id} `, 'm').test(text) ? [id] : []));
    expect(ids(under)).toEqual(
      attention.list().flatMap((entry) => (attention.fitsSlot(entry) ? [entry.id] : [])),
    );
    expect(ids(apart)).toEqual(['danet-head', 'gated-fusion', 'msf', 'msaa', 'simple-vit']);
  });

  it('is counted with options that follow from the size of the images', async () => {
    const request = ['cost', '--model', 'resnet20', '--attention', 'cbam-joint', '--json'];
    const counted = async (...more: string[]) =>
      (JSON.parse((await fovea(...request, ...more)).stdout) as { parameters: number }).parameters;
    // Only the MLP's layers grow: 2 N C / 16 weights in each of three blocks of a stage.
    const places = (side: number) =>
      [16, 32, 64].reduce((sum, c, i) => sum + (3 * 2 * (side / 2 ** i) ** 2 * c) / 16, 0);
    expect((await counted('--input', '3,64,64')) - (await counted())).toBe(places(64) - places(32));
  });
});

describe('a device that is not there', () => {
  // Where there is one, nothing is to be said.
  it.each([
    ['verify', [golden('se.conv')]],
    [
      'train',
      ['--dataset', 'shapes', '--model', 'resnet20', '--limit-train', '8', '--output', 'no'],
    ],
  ])('%s says what is missing in a sentence', async (command, args) => {
    const result = await fovea(command, ...args, '--device', 'cuda');
    if (result.code === 0) return;
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(
      /^fovea: The device 'cuda' does not work on this machine: it needs an NVIDIA GPU .* 'cpu' always does\.\n$/,
    );
    const debug = await runFovea(folder, [command, ...args, '--device', 'cuda'], {
      env: { FOVEA_DEBUG: '1' },
    });
    expect(debug.stderr).toMatch(/\nbecause: .+\n$/);
  });
});

describe('a reader that goes away', () => {
  it('ends a command without a word', async () => {
    const child = spawn(process.execPath, [path('dist/cli/main.js'), 'list', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, complaint }).toEqual({ code: 0, complaint: '' });
  });
});

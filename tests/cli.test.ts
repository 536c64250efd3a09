/** The `fovea` command as a person meets it: the built program, in a process of its own. */
import { existsSync } from 'node:fs';
import {
  cp,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createModel } from '../src/models/index.js';
import { saveTensors } from '../src/formats/node/files.js';
import type { StoredTensor } from '../src/formats/safetensors.js';
import {
  expectNoTrace,
  expectSameRun,
  metricsOf,
  runFovea,
  when,
  type Conditions,
  type Result,
} from './support/command.js';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const fovea = (args: readonly string[], conditions?: Conditions) =>
  runFovea(folder, args, conditions);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SMALL = ['--dataset', 'shapes', '--model', 'resnet20', '--limit-val', '50'];
const RUN = [...SMALL, '--limit-train', '64', '--batch-size', '8', '--epochs', '2'];

describe('a wrong request', () => {
  it.concurrent.each([
    ['an unknown command', 'trian', /unknown command 'trian'\n\(Did you mean train\?\)/],
    ['an unknown flag', 'train --lrr 1', /unknown option '--lrr'\n\(Did you mean --lr\?\)/],
    ['an unknown model', 'train --model resnet21', /'resnet21'. Did you mean 'resnet20'/],
    ['an unknown attention', 'train --attention see', /attention 'see'. Did you mean '?.*'se'/],
    [
      'an unknown option of an attention',
      'train --attention se --attention-options ration=8',
      /'se' has no option 'ration'. Did you mean 'ratio'\?/,
    ],
    [
      'an option of the wrong kind',
      'train --attention se --attention-options ratio=many',
      /'ratio' of the attention 'se' must be a number above 0 \(default 16\), not "many"/,
    ],
    [
      'options without an attention',
      'train --attention-options ratio=8',
      /Options were given for the attention, but the attention is none/,
    ],
    [
      'stages without an attention',
      'train --stages 3',
      /Stages were given for the attention, but the attention is none/,
    ],
    [
      'a stage that the network has not',
      'train --model resnet20 --attention se --stages 2,4',
      /some of the network's 1 to 3, not 4/,
    ],
    [
      'an attention that does not fit the channels',
      'train --model resnet20 --attention se --attention-options ratio=64',
      /16.* with ratio 64 has no hidden unit/,
    ],
    [
      'an unknown data set',
      'train --dataset cifar',
      /'cifar'. Did you mean 'cifar10' or 'cifar100'/,
    ],
    [
      'a data set without its files',
      'train',
      /cifar100 is read from files.*--data.*fovea data cifar100/,
    ],
    [
      'too many images',
      'train --dataset shapes --limit-train 9999999',
      /expected a whole number from 1/,
    ],
    [
      'a number that is none',
      'train --lr fast',
      /'--lr <rate>' argument 'fast' is invalid. Expected a number/,
    ],
    [
      'a negative number',
      'train --lr -1',
      /argument '-1' is invalid. Expected a number of at least 0/,
    ],
    [
      'no epochs',
      'train --epochs 0',
      /argument '0' is invalid. Expected a whole number of at least 1/,
    ],
    ['too large a share', 'train --label-smoothing 2', /Expected a number from 0 to 1/],
    [
      'a list that is none',
      'train --milestones 80,x',
      /'--milestones <list>' argument '80,x' is invalid/,
    ],
    ['pairs that are none', 'train --attention-options ratio', /Expected NAME=VALUE pairs/],
    ['an unknown choice', 'train --optimizer adam', /Allowed choices are sgd, adamw/],
    ['an unknown device', 'train --device gpu', /Allowed choices are cpu, webgpu, cuda/],
    [
      'an impossible shape',
      'cost --model simple-vit --input 3,30,30',
      /^fovea: A SimpleViT for images of 30x30 cannot cut them into patches of 4x4/,
    ],
    ['a size that is none', 'cost --input 32,32', /Expected channels, height and width/],
    ['an evaluation of nothing', 'eval', /either --run FOLDER, or --model ID with --weights FILE/],
    [
      'an evaluation of no run',
      'eval --run nowhere',
      /nowhere is not the folder of a run: there is no such/,
    ],
    [
      'a resumed run that is none',
      'train --resume .',
      /\. is not the folder of a run: it has no config.json/,
    ],
    ['a download of an unknown data set', 'data cifar99', /'cifar99'. Did you mean/],
    [
      'a download of what is made here',
      'data shapes',
      /made by the program: there is nothing to download/,
    ],
  ])('%s', async (_, request, message) => {
    const result = await fovea(request.split(' '));
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expectNoTrace(result);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('data files', () => {
  const cifar = () => at('data', 'cifar-100-binary');
  const train = () => fovea(['train', '--data', 'data', '--limit-train', '8', '--limit-val', '8']);

  beforeAll(() => mkdir(cifar(), { recursive: true }));
  afterAll(() => rm(at('data'), { recursive: true }));

  async function expectRefusal(message: RegExp): Promise<void> {
    const result = await train();
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expectNoTrace(result);
    expect(existsSync(at('runs'))).toBe(false);
  }

  it('that are missing are named, and where to get them', async () => {
    await expectRefusal(/fine_label_names.txt is missing.*fovea data cifar100 --data/);
  });

  it('that are no whole number of records are named, with both numbers', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `class ${i}\n`).join('');
    await writeFile(join(cifar(), 'fine_label_names.txt'), names);
    await writeFile(join(cifar(), 'train.bin'), new Uint8Array(3074 * 3 + 5));
    await expectRefusal(
      /train.bin: expected .* records of 3074 bytes, found 9227 .*3 records and 5/,
    );
  });

  it('with a label out of range: the record, the label and the range are named', async () => {
    await truncate(join(cifar(), 'train.bin'), 0);
    await truncate(join(cifar(), 'train.bin'), 153_700_000);
    const file = await open(join(cifar(), 'train.bin'), 'r+');
    await file.write(Uint8Array.of(200), 0, 1, 7 * 3074 + 1);
    await file.close();
    await expectRefusal(/train.bin: record 7 has the label 200, expected 0 to 99/);
  });

  it('in an archive that is none', async () => {
    await rm(cifar(), { recursive: true });
    await writeFile(at('data', 'cifar-100-binary.tar.gz'), 'not an archive, but long enough to be');
    await expectRefusal(
      /cifar-100-binary.tar.gz: expected a .tar.gz, .* archive, but it is a text/,
    );
  });

  it('that a server sends in another form than published are not kept', async () => {
    const server = createServer((_, response) => response.end('an error page'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const url = `http://127.0.0.1:${port}/cifar-10-binary.tar.gz`;
    const result = await fovea(['data', 'cifar10', '--data', 'fetched', '--url', url]);
    server.close();
    expect(result.stderr).toMatch(/MD5/);
    expect(result.code).toBe(1);
    expectNoTrace(result);
    expect(existsSync(at('fetched', 'cifar-10-binary.tar.gz'))).toBe(false);

    const offline = await fovea(['data', 'cifar10', '--data', 'fetched', '--url', url]);
    expect(offline.stderr).toMatch(/cannot reach the server/);
    expect(offline.code).toBe(1);
    expectNoTrace(offline);
    await rm(at('fetched'), { recursive: true });
  });
});

describe('a run', () => {
  let summary: Record<string, unknown>;
  let first: Result;

  beforeAll(async () => {
    first = await fovea(['train', ...RUN, '--output', 'whole', '--json']);
    summary = JSON.parse(first.stdout) as Record<string, unknown>;
  });

  /** A copy of the whole run, to be spoilt. */
  async function copy(name: string): Promise<string> {
    await cp(at('whole'), at(name), { recursive: true });
    return at(name);
  }

  async function expectRefusal(args: readonly string[], message: RegExp): Promise<void> {
    const before = (await readdir(folder)).sort();
    const result = await fovea(args);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expectNoTrace(result);
    expect((await readdir(folder)).sort()).toEqual(before);
  }

  it('keeps everything in its folder', async () => {
    expect(first.code).toBe(0);
    const files = (await readdir(at('whole'))).sort();
    expect(files.filter((name) => !name.startsWith('events.out.tfevents.'))).toEqual([
      'best.safetensors',
      'config.json',
      'evaluation.json',
      'last.safetensors',
      'metrics.jsonl',
      'previous.safetensors',
      'summary.json',
    ]);
    expect(files).toHaveLength(8);
    const { folder: path, ...rest } = summary;
    expect(path).toBe(at('whole'));
    expect(JSON.parse(await readFile(at('whole', 'summary.json'), 'utf8'))).toEqual(rest);
    expect(rest).toMatchObject({ params: 269_722, seed: 1, epochs: 2 });
    expect(JSON.parse(await readFile(at('whole', 'config.json'), 'utf8'))).toMatchObject({
      model: 'resnet20',
      dataset: 'shapes',
      limitTrain: 64,
      lr: 0.1,
    });
    const metrics = await metricsOf(at('whole'));
    expect(metrics).toHaveLength(2);
    expect(Object.keys(metrics[0] ?? {})).toEqual([
      'epoch',
      'lr',
      'train_loss',
      'train_top1',
      'train_top5',
      'val_loss',
      'val_top1',
      'val_top5',
    ]);
  });

  it('prints plain lines where there is no terminal: its beginning, and each epoch', () => {
    const lines = first.stderr.trim().split('\n');
    expect(lines[0]).toBe(
      'resnet20, no attention: 269,722 parameters, 40.6 M multiply-adds per image',
    );
    expect(lines[1]).toBe('shapes: 64 images to train, 50 to validate; 2 epochs on cpu');
    expect(lines[3]).toMatch(/^epoch 1\/2 train 1\/8 {2}loss .* images\/s {2}.* left$/);
    expect(lines.filter((line) => /^epoch +\d+\/2 {2}lr /.test(line))).toHaveLength(2);
    expect(first.stderr).not.toContain('\u001b');
  });

  it('comes to the same when it is run again', async () => {
    const again = await fovea(['train', ...RUN, '--output', 'again']);
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/Best top-1 .* %, mean of the best five epochs .* %\./);
    await expectSameRun(at('again'), at('whole'));
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stopped by %s in the middle of an epoch saves, says how to go on, and loses nothing',
    async (signal) => {
      const name = `stopped by ${signal}`;
      const stopped = await fovea(['train', ...RUN, '--output', name], {
        onOutput: when('train 1/8', signal),
      });
      expect(stopped.code).toBe(130);
      expectNoTrace(stopped);
      expect(stopped.stderr).toMatch(/Stopped in epoch 1 of 2, after \d+ of 8 steps/);
      expect(stopped.stderr).toContain(`fovea train --resume '${at(name)}'`);

      const refused = await fovea(['train', '--resume', name, '--lr', '0.2', '--epochs', '2']);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('--lr: 0.1 there, 0.2 asked for');
      expect(refused.stderr).not.toContain('--epochs:');

      const resumed = await fovea(['train', '--resume', name]);
      expect(resumed.code).toBe(0);
      expect(resumed.stdout).toMatch(/Continuing in epoch 1, after \d+ steps?\./);
      await expectSameRun(at(name), at('whole'));
    },
  );

  it('ends at once at a second Ctrl-C, and can still be started over', async () => {
    const large = ['train', '--dataset', 'shapes', '--model', 'resnet18', '--limit-train', '256'];
    const first = when('Run folder', 'SIGINT');
    const second = when('Press Ctrl-C again', 'SIGINT');
    const killed = await fovea([...large, '--output', 'killed'], {
      onOutput: (printed, child) => {
        first(printed, child);
        second(printed, child);
      },
    });
    // What a shell shows as 130.
    expect(killed.signal).toBe('SIGINT');
    expectNoTrace(killed);

    await rm(at('killed'), { recursive: true });
    const early = await copy('killed');
    for (const name of ['last', 'previous', 'best']) await rm(join(early, `${name}.safetensors`));
    await rm(join(early, 'summary.json'));
    const restarted = await fovea(['train', '--resume', 'killed']);
    expect(restarted.stdout).toContain('Continuing from the beginning: no step was saved.');
    await expectSameRun(early, at('whole'));
  });

  it('whose loss is no longer finite stops and keeps the last good checkpoint', async () => {
    const none = await fovea(['train', ...RUN, '--lr', '1e30', '--output', 'diverged']);
    expect(none.code).toBe(1);
    expectNoTrace(none);
    expect(none.stderr).toMatch(
      /became (NaN|Infinity) in epoch 1.*smaller learning rate.*no checkpoint yet/,
    );
    expect(existsSync(at('diverged', 'last.safetensors'))).toBe(false);

    // The rate is multiplied, not divided, after the first epoch.
    const rising = ['--milestones', '1', '--gamma', '1e31', '--output', 'diverged later'];
    const late = await fovea(['train', ...RUN, ...rising]);
    expect(late.code).toBe(1);
    expectNoTrace(late);
    expect(late.stderr).toMatch(
      /became (NaN|Infinity) in epoch 2.*from after epoch 1 is kept in .*last.safetensors/,
    );
    // Up to there it was the same run, and that is what is kept.
    const [whole] = await metricsOf(at('whole'));
    const { top1 } = JSON.parse(
      (await fovea(['eval', '--run', 'diverged later', '--checkpoint', 'last', '--json'])).stdout,
    ) as { top1: number };
    expect(whole).toMatchObject({ val_top1: top1 });
  });

  it('does not write over another one, or over files of its names', async () => {
    await expectRefusal(
      ['train', ...RUN, '--output', 'whole'],
      /whole already holds a run.*--resume whole/,
    );
    await mkdir(at('models'));
    await writeFile(at('models', 'best.safetensors'), 'precious');
    await expectRefusal(['train', ...RUN, '--output', 'models'], /already has best.safetensors/);
    expect(await readFile(at('models', 'best.safetensors'), 'utf8')).toBe('precious');
  });

  it('needs a folder that can be written', async () => {
    await writeFile(at('file'), '');
    await expectRefusal(
      ['train', ...RUN, '--output', 'file/run'],
      /Cannot make the folder.*a part of the path is a file/,
    );
  });

  it('that is complete is not continued', async () => {
    await expectRefusal(['train', '--resume', 'whole'], /whole is already complete, with 2 epochs/);
    await expectRefusal(['train', '--resume', 'whole', '--output', 'x'], /leave --output out/);
  });

  it('whose checkpoint is of another network says so, and so does a damaged config.json', async () => {
    const damaged = await copy('damaged');
    const config = join(damaged, 'config.json');
    const recipe = JSON.parse(await readFile(config, 'utf8')) as object;
    await writeFile(config, JSON.stringify({ ...recipe, model: 'resnet32', epochs: 3 }));
    await expectRefusal(
      ['train', '--resume', 'damaged'],
      /does not fit the run's config.json: .* is missing/,
    );
    await writeFile(config, JSON.stringify({ ...recipe, epochs: 'many' }));
    await expectRefusal(['train', '--resume', 'damaged'], /config.json cannot be used.*epochs/);
    await writeFile(config, '{"model": ');
    await expectRefusal(['train', '--resume', 'damaged'], /config.json cannot be used/);
  });

  it('is evaluated to the figures that it wrote down', async () => {
    const last = await fovea(['eval', '--run', 'whole', '--checkpoint', 'last', '--json']);
    expect(last.code).toBe(0);
    const { loss, top1, top5 } = JSON.parse(last.stdout) as Record<string, number>;
    const metrics = await metricsOf(at('whole'));
    expect(metrics.at(-1)).toMatchObject({ val_loss: loss, val_top1: top1, val_top5: top5 });

    const best = await fovea(['eval', '--run', 'whole']);
    const shown = (summary['best_top1'] as number).toFixed(2);
    expect(best.stdout).toMatch(
      new RegExp(`50 validation images of shapes\\nloss .* top-1 ${shown} %`),
    );
    await expectRefusal(['eval', '--run', 'whole', '--model', 'resnet20'], /leave out --model/);
  });

  it('gives weights that can be evaluated by themselves, on the model that they are of', async () => {
    const weights = ['--weights', at('whole', 'last.safetensors')];
    const own = await fovea(['eval', ...SMALL, ...weights, '--json']);
    expect(own.code).toBe(0);
    const { top1 } = JSON.parse(own.stdout) as { top1: number };
    expect((await metricsOf(at('whole'))).at(-1)).toMatchObject({ val_top1: top1 });
    await expectRefusal(
      ['eval', ...SMALL, '--attention', 'se', ...weights],
      /last.safetensors: The weights do not fit the model:\n {2}missing \(\d+\): layer1.0.attention/,
    );
  });
});

describe('weights under the names of the seed', () => {
  it('are evaluated with --names', async () => {
    const model = createModel('resnet18', { seed: 1 });
    const seeds = new Map<string, StoredTensor>();
    for (const [name, { shape, data }] of model.stateDict()) {
      const theirs = name
        .replace(/^conv1\./, 'conv1.0.')
        .replace(/^bn1\./, 'conv1.1.')
        .replace(/^linear\./, 'classifer.');
      const float = data instanceof Float32Array;
      seeds.set(theirs, float ? { dtype: 'F32', shape, data } : { dtype: 'I64', shape, data });
    }
    await saveTensors(at('seed.safetensors'), seeds);
    const args = [
      'eval',
      '--dataset',
      'shapes',
      '--limit-val',
      '10',
      '--weights',
      'seed.safetensors',
    ];
    const named = await fovea([...args, '--names', 'seed-000-resnet']);
    expect(named.stdout).toMatch(/seed.safetensors on 10 validation images of shapes\nloss /);
    expect(named.code).toBe(0);
    const unnamed = await fovea(args);
    expect(unnamed.code).toBe(2);
    expect(unnamed.stderr).toMatch(/unknown \(8\): .*classifer\.weight/);
  });
});

describe('what there is', () => {
  it('fovea list names all that has a name, with what it costs', async () => {
    const { stdout, code } = await fovea(['list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^segmentation +classWeights, ignoreIndex, dice, auxiliary /m);
    expect(stdout).toMatch(/^msaa +3 +joins them /m);
    expect(stdout).toMatch(/^danet-head +DANet's segmentation head$/m);
    expect(stdout).toMatch(/^folder .* a folder, with a folder for every class$/m);
    expect(stdout).toMatch(/^randomErasing +probability, scale, ratio, value$/m);
    expect(stdout).toMatch(/^resnet18 +11,220,132 +555,468,800 /m);
    expect(stdout).toMatch(/^se +channel +2018 +1709\.01507 +580 +512 +Squeeze-and-Excitation$/m);
    expect(stdout).toMatch(/^cifar100 +50,000 +10,000 +100 /m);
  });

  it('fovea list --json says all of it to a program', async () => {
    const { stdout } = await fovea(['list', '--json']);
    const { models, attention, datasets, tasks, fusions } = JSON.parse(stdout) as Record<
      string,
      { id: string }[]
    >;
    expect(models).toContainEqual(
      expect.objectContaining({ id: 'resnet18', parameters: 11_220_132, takesAttention: true }),
    );
    expect(tasks?.map(({ id }) => id)).toEqual(['classification', 'segmentation', 'contrastive']);
    expect(fusions?.map(({ id }) => id)).toEqual(expect.arrayContaining(['add', 'concat', 'msf']));
    expect(attention).toContainEqual(expect.objectContaining({ id: 'se', parameters: 580 }));
    expect(datasets).toContainEqual(expect.objectContaining({ id: 'cifar100', train: 50_000 }));
    expect(datasets).toContainEqual(
      expect.objectContaining({ id: 'list', data: 'a table of paths and classes' }),
    );
  });

  it.each([
    ['tasks', /^ {4}dice: a number of at least 0\. Weight of the soft Dice loss/m],
    ['augmentations', /^ {4}padding: .*Black pixels on every side\.$/m],
    ['fusions', /^safm +2 +refines their sum /m],
    ['heads', /^plain /m],
    ['datasets', /^shapes +4,000 /m],
  ])('fovea list %s tells of these alone, with what their options mean', async (what, expected) => {
    const { stdout, code } = await fovea(['list', what]);
    expect(code).toBe(0);
    expect(stdout).toMatch(expected);
    expect(stdout).not.toMatch(/^resnet18 /m);
  });

  it('fovea list attention/ID tells paper, options, gates and steps of one mechanism', async () => {
    const { stdout, code } = await fovea(['list', 'attention/se']);
    expect(code).toBe(0);
    expect(stdout).toContain('Hu, Shen and Sun, CVPR 2018; arXiv 1709.01507');
    expect(stdout).toContain('options: ratio=16, bias=true, squeeze=avg');
    expect(stdout).toContain('Exposes channel [1, 64, 1, 1]');
    expect(stdout).toMatch(/^2 +reduce \(Conv2d\) +1 +\[1, 4, 1, 1\]$/m);
  });

  it('fovea list suggests the nearest mechanism for one that it does not know', async () => {
    const { stderr, code } = await fovea(['list', 'attention/sagn']);
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean 'attention/sagan'");
  });

  it('fovea cost adds up its layers', async () => {
    const { stdout } = await fovea(['cost', '--model', 'resnet20', '--attention', 'se', '--json']);
    const { parameters, macs, layers } = JSON.parse(stdout) as {
      parameters: number;
      macs: number;
      layers: { path: string; parameters: number; macs: number }[];
    };
    expect(layers.reduce((total, layer) => total + layer.parameters, 0)).toBe(parameters);
    expect(layers.reduce((total, layer) => total + layer.macs, 0)).toBe(macs);
    // 3x3 over 3 channels, at 32x32 places of 16 channels.
    expect(layers[0]).toMatchObject({ path: 'conv1', parameters: 432, macs: 442_368 });
  });

  it('a reader that goes away is no error', async () => {
    const { code, stderr } = await fovea(['list', '--json'], {
      onOutput: (_, child) => child.stdout?.destroy(),
    });
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  it.each(['', 'train', 'eval', 'predict', 'explain', 'export', 'convert', 'data', 'list', 'cost'])(
    'the help of `fovea %s` fits a terminal of 80 columns',
    async (command) => {
      const { stdout, code } = await fovea([...(command ? [command] : []), '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: fovea ${command}`);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    },
  );
});

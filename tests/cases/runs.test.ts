/** Runs that go wrong, meet each other or go on with other settings: the built program, in processes of its own. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { expectNoTrace, expectSameRun, metricsOf, runFovea, when } from '../support/command.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const fovea = (args: readonly string[], conditions = {}) => runFovea(folder, args, conditions);

/** Four steps an epoch. */
const SMALL = [
  ...['--dataset', 'shapes', '--model', 'resnet20'],
  ...['--limit-train', '32', '--batch-size', '8', '--limit-val', '20'],
];
const RUN = [...SMALL, '--epochs', '3'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-runs-'));
  const { code } = await fovea(['train', ...RUN, '--output', 'whole']);
  expect(code).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Config = Record<string, unknown>;
const configOf = async (run: string): Promise<Config> =>
  JSON.parse(await readFile(at(run, 'config.json'), 'utf8')) as Config;

const settingsOf = async (comparison: string): Promise<{ recipe: Config }> =>
  JSON.parse(await readFile(at(comparison, 'compare.json'), 'utf8')) as { recipe: Config };

/** A recipe as version 0.1 wrote it. */
function asBefore(recipe: Config): Config {
  const newer = ['threads', 'changes'];
  return Object.fromEntries(Object.entries(recipe).filter(([name]) => !newer.includes(name)));
}

async function expectRefusal(args: readonly string[], message: RegExp): Promise<void> {
  const refused = await fovea(args);
  expect(refused.stderr).toMatch(message);
  expect(refused.code).toBe(2);
  expectNoTrace(refused);
}

describe('a last batch that the model cannot take', () => {
  const sk = [
    ...['--dataset', 'shapes', '--model', 'resnet20', '--epochs', '1', '--batch-size', '10'],
    ...['--limit-train', '31', '--limit-val', '20', '--output', 'run_sk'],
  ];

  it('is refused before anything is written, by train and by compare', async () => {
    await expectRefusal(
      ['train', '--attention', 'sk', '--stages', '3', ...sk],
      /The last batch of an epoch has only 1 image \(of 31, in batches of 10\).*batch size, 9 say, leave that batch out \(--drop-last\), or train on 30/,
    );
    await expectRefusal(
      ['compare', '--attention', 'sk@3', ...sk],
      /sk@3: The last batch of an epoch has only 1 image/,
    );
    expect(existsSync(at('run_sk'))).toBe(false);
  });
});

describe('a folder that is not free for a run', () => {
  it('is refused and left as it is: other things, a file, a run, a comparison', async () => {
    await mkdir(at('things', 'src'), { recursive: true });
    await writeFile(at('things', 'notes.txt'), 'precious');
    await writeFile(at('file'), 'precious');
    await mkdir(at('comparison'));
    await writeFile(at('comparison', 'compare.json'), '{}');
    for (const command of ['train', 'compare']) {
      await expectRefusal(
        [command, ...RUN, '--output', 'things'],
        /things already has notes\.txt, src in it.*needs a folder of its own: choose another --output/,
      );
      await expectRefusal([command, ...RUN, '--output', 'file'], /file is a file, not a folder/);
      await expectRefusal(
        [command, ...RUN, '--output', '.'],
        /\. already has .* and \d+ more in it/,
      );
      await expectRefusal([command, ...RUN, '--output', 'whole'], /whole already holds a run/);
    }
    await expectRefusal(
      ['train', ...RUN, '--output', 'comparison'],
      /comparison already holds a comparison\. Go on with it by `fovea compare/,
    );
    expect((await readdir(at('things'))).sort()).toEqual(['notes.txt', 'src']);
    expect(await readFile(at('file'), 'utf8')).toBe('precious');
    expect(await readdir(at('comparison'))).toEqual(['compare.json']);
  });

  it('is free when it is empty, or holds what a killed process left', async () => {
    await mkdir(at('empty'));
    await writeFile(at('empty', 'lock'), '1\n');
    await writeFile(at('empty', '.config.json.0123456789ab.tmp'), '{"mod');
    const { code } = await fovea(['train', ...RUN, '--output', 'empty']);
    expect(code).toBe(0);
    await expectSameRun(at('empty'), at('whole'));
    expect((await readdir(at('empty'))).filter((name) => /lock|tmp/.test(name))).toEqual([]);
  });
});

describe('a run that diverged', () => {
  it('goes on from its last good checkpoint with a lower rate, as if it had had it there', async () => {
    // Up to the milestone the factor by which the rate falls there makes no difference.
    const rising = ['--milestones', '1', '--gamma', '1e31', '--output', 'rising'];
    const diverged = await fovea(['train', ...RUN, ...rising]);
    expect(diverged.code).toBe(1);
    expect(diverged.stderr).toMatch(
      /epoch 2.*after epoch 1 is kept in .*Go on with a smaller --lr or --gamma.*fovea train --resume .*rising --lr RATE/,
    );

    for (const [name, value] of [
      ['--lr', '0.2'],
      ['--gamma', '1e32'],
      ['--warmup-epochs', '0'],
    ] as const) {
      await expectRefusal(['train', '--resume', 'rising', name, value], /other settings/);
    }
    await expectRefusal(
      ['train', '--resume', 'rising', '--lr', '0.01', '--epochs', '2'],
      /--epochs: 3 there, 2 asked for/,
    );

    // Stopped and resumed once more, now without a flag: the change is part of the run.
    const stopped = await fovea(['train', '--resume', 'rising', '--gamma', '0.1'], {
      onOutput: when('epoch   2/3', 'SIGINT'),
    });
    expect(stopped.stdout).toContain('From epoch 2, step 1 on: gamma 0.1.');
    expect(stopped.code).toBe(130);
    const finished = await fovea(['train', '--resume', 'rising']);
    expect(finished.code).toBe(0);
    const wanted = ['--milestones', '1', '--gamma', '0.1', '--output', 'falling'];
    expect((await fovea(['train', ...RUN, ...wanted])).code).toBe(0);
    await expectSameRun(at('rising'), at('falling'));

    const { changes, ...rest } = await configOf('rising');
    expect(changes).toEqual([{ epoch: 2, step: 1, gamma: 0.1 }]);
    expect(rest).toMatchObject({ lr: 0.1, gamma: 1e31 });
    const rates = (await metricsOf(at('rising'))).map(({ lr }) => lr);
    expect(rates).toEqual((await metricsOf(at('falling'))).map(({ lr }) => lr));
  });

  it.each([
    ['before its first checkpoint', []],
    // Its first checkpoint has values so large that no loss comes of them.
    ['from its first checkpoint on', ['--checkpoint-minutes', '0']],
  ])('%s begins again with a smaller rate, and says so', async (what, flags) => {
    const name = `hot ${what}`;
    const hot = await fovea(['train', ...RUN, '--lr', '1e30', ...flags, '--output', name]);
    expect(hot.code).toBe(1);
    expect(hot.stderr).toMatch(/The loss became NaN in epoch 1, step 2\..*begin/);
    // Still too large: it may be tried again.
    const warm = await fovea(['train', '--resume', name, '--lr', '1e28', ...flags]);
    expect(warm.code).toBe(1);
    expect((await configOf(name))['changes']).toEqual([{ epoch: 1, step: 1, lr: 1e28 }]);

    const cool = await fovea(['train', '--resume', name, '--lr', '0.1']);
    expect(cool.code).toBe(0);
    expect(cool.stdout).toContain('Continuing from the beginning: no step was saved.');
    await expectSameRun(at(name), at('whole'));
    expect((await configOf(name))['changes']).toEqual([{ epoch: 1, step: 1, lr: 0.1 }]);
  });
});

describe('the number of threads', () => {
  it('is written down when a run begins, kept when it goes on, and refused when it differs', async () => {
    expect(await configOf('whole')).toMatchObject({ threads: availableParallelism() });
    const stopped = await fovea(['train', ...RUN, '--threads', '1', '--output', 'one'], {
      onOutput: when('train 1/4', 'SIGINT'),
    });
    expect(stopped.code).toBe(130);
    await expectRefusal(
      ['train', '--resume', 'one', '--threads', '2'],
      /--threads: 1 there, 2 asked for/,
    );
    expect((await fovea(['train', '--resume', 'one'])).code).toBe(0);
    expect((await fovea(['train', ...RUN, '--threads', '1', '--output', 'again'])).code).toBe(0);
    await expectSameRun(at('one'), at('again'));
    expect(await configOf('one')).toMatchObject({ threads: 1 });
  });

  it('of a run of an older version, which did not write it down, is chosen when it goes on', async () => {
    const stopped = await fovea(['train', ...RUN, '--threads', '1', '--output', 'old'], {
      onOutput: when('train 1/4', 'SIGINT'),
    });
    expect(stopped.code).toBe(130);
    await writeFile(at('old', 'config.json'), JSON.stringify(asBefore(await configOf('old'))));
    const resumed = await fovea(['train', '--resume', 'old', '--threads', '1']);
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toMatch(/did not write down its number of threads\. It goes on with 1/);
    expect(await configOf('old')).toMatchObject({ threads: 1 });
  });
});

describe('a comparison', () => {
  const GRID = [
    ...['compare', '--attention', 'none,eca', '--seeds', '1', ...SMALL],
    ...['--epochs', '2', '--lr', '0.02'],
  ];
  const RUNS = ['none-seed1', 'eca-seed1'];

  it('comes to the same bits with any number of runs at a time, changed on the way too', async () => {
    expect((await fovea([...GRID, '--jobs', '1', '--output', 'jobs1'])).code).toBe(0);
    const jobs = Math.min(2, availableParallelism());
    expect((await fovea([...GRID, '--jobs', `${jobs}`, '--output', 'jobs2'])).code).toBe(0);
    const stopped = await fovea([...GRID, '--jobs', `${jobs}`, '--output', 'changed'], {
      onOutput: when('none-seed1: epoch 1/2', 'SIGINT'),
    });
    expect(stopped.code).toBe(130);
    expect((await fovea([...GRID, '--jobs', '1', '--output', 'changed'])).code).toBe(0);
    for (const name of RUNS) {
      await expectSameRun(at('jobs2', 'runs', name), at('jobs1', 'runs', name));
      await expectSameRun(at('changed', 'runs', name), at('jobs1', 'runs', name));
    }
    const { threads } = (await settingsOf('jobs1')).recipe;
    expect(threads).toBeGreaterThan(0);
    for (const name of RUNS) {
      expect(await configOf(join('jobs1', 'runs', name))).toMatchObject({ threads });
    }
    await expectRefusal(
      [...GRID, '--threads', `${Number(threads) + 1}`, '--output', 'jobs1'],
      new RegExp(`threads: ${String(threads)} there, ${Number(threads) + 1} asked for`),
    );
  });

  it('of an older version, which did not write the threads down, goes on', async () => {
    const stopped = await fovea([...GRID, '--jobs', '1', '--output', 'older'], {
      onOutput: when('none-seed1: epoch 1/2', 'SIGINT'),
    });
    expect(stopped.code).toBe(130);
    const config = join('older', 'runs', 'none-seed1');
    await writeFile(at(config, 'config.json'), JSON.stringify(asBefore(await configOf(config))));
    const settings = await settingsOf('older');
    await writeFile(
      at('older', 'compare.json'),
      JSON.stringify({ ...settings, recipe: asBefore(settings.recipe) }),
    );
    const { code, stderr } = await fovea([...GRID, '--output', 'older']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    for (const name of RUNS) {
      await expectSameRun(at('older', 'runs', name), at('jobs1', 'runs', name));
    }
  });

  it('that is under way, suspended even, lets no other write: neither compare nor train', async () => {
    const refusals: Promise<void>[] = [];
    let child: { kill(signal: NodeJS.Signals): boolean } | undefined;
    const under = fovea([...GRID, '--jobs', '1', '--output', 'under'], {
      onOutput: (printed: string, process: typeof child) => {
        if (child !== undefined || !printed.includes('none-seed1: epoch 1/2')) return;
        child = process;
        child?.kill('SIGSTOP');
        refusals.push(
          expectRefusal([...GRID, '--output', 'under'], /Process \d+ is at work in .*under/),
          expectRefusal(
            ['train', '--resume', 'under/runs/none-seed1'],
            /Process \d+ is at work in .*under/,
          ),
          fovea(['report', 'under']).then(({ code }) => expect(code).toBe(0)),
        );
      },
    });
    await vi.waitUntil(() => refusals.length > 0, { timeout: 100_000 });
    await Promise.all(refusals).finally(() => child?.kill('SIGCONT'));
    expect((await under).code).toBe(0);
    for (const name of RUNS) {
      await expectSameRun(at('under', 'runs', name), at('jobs1', 'runs', name));
    }
    expect(await readdir(at('under'))).not.toContain('lock');
  });
});

describe('a run that is under way', () => {
  it('is not resumed by another process, suspended or not, but can be evaluated', async () => {
    const tries: Promise<void>[] = [];
    let child: { kill(signal: NodeJS.Signals): boolean } | undefined;
    const run = fovea(['train', ...RUN, '--output', 'busy'], {
      onOutput: (printed: string, process: typeof child) => {
        if (child !== undefined || !printed.includes('epoch   1/3')) return;
        child = process;
        child?.kill('SIGSTOP');
        const temporary = at('busy', '.last.safetensors.0123456789ab.tmp');
        tries.push(
          writeFile(temporary, 'half')
            .then(() =>
              Promise.all([
                expectRefusal(['train', '--resume', 'busy'], /Process \d+ is at work in .*busy/),
                expectRefusal(['train', ...RUN, '--output', 'busy'], /busy already holds a run/),
                fovea(['eval', '--run', 'busy']).then(({ code }) => expect(code).toBe(0)),
              ]),
            )
            // The holder's own half-written file is still there.
            .then(() => rm(temporary)),
        );
      },
    });
    await vi.waitUntil(() => tries.length > 0, { timeout: 100_000 });
    await Promise.all(tries).finally(() => child?.kill('SIGCONT'));
    expect((await run).code).toBe(0);
    await expectSameRun(at('busy'), at('whole'));
  });

  it('is taken over by one of several when it is killed, and comes to the same', async () => {
    const killed = await fovea(
      ['train', ...RUN, '--checkpoint-minutes', '0', '--output', 'killed'],
      {
        onOutput: when('train 1/4', 'SIGKILL'),
      },
    );
    expect(killed.signal).toBe('SIGKILL');
    const contenders = await Promise.all(
      Array.from({ length: 4 }, () => fovea(['train', '--resume', 'killed'])),
    );
    expect(contenders.filter(({ code }) => code === 0)).toHaveLength(1);
    for (const refused of contenders.filter(({ code }) => code !== 0)) {
      expect(refused.code).toBe(2);
      expectNoTrace(refused);
      expect(refused.stderr).toMatch(/Process \d+ is at work in|is already complete/);
    }
    await expectSameRun(at('killed'), at('whole'));
  });
});

/** The benchmark: what it measures and how to read it is in README.md. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { duel, type DuelResult, type Settings } from './duel.js';
import { describeMachine, installedVersion } from './machine.js';
import { measureLoop, type LoopResult } from './loop-process.js';
import { MECHANISM_CASES } from './mechanism-cases.js';
import { measureMechanism, mechanismTable, type MechanismResult } from './mechanisms.js';
import { measurePeers, type PeerResult } from './peers.js';
import { profile } from './profile.js';
import { loopTable, memoryTable, peerTable, speedTable } from './report.js';
import { writeSetup } from './setup.js';
import { WORKLOADS, type Workload } from './workloads.js';

const USAGE = `Usage: npm run bench -- [options]

  --only LIST      parts to run, separated by commas; a part is named by the start of its name:
                   ${WORKLOADS.map(({ id }) => id).join(', ')}, overhead, peers, and
                   mechanisms, which runs only when it is named: mechanisms-se, for one of them
  --rounds N       rounds of each pair (default 7)
  --seconds S      seconds that each side works in each round (default 2; mechanisms: 0.25)
  --threads N      threads for every side (default: one per core)
  --python PATH    a Python that has PyTorch (default: /usr/bin/python3, then python3)
  --peer-seconds S time limit for each task of a JavaScript peer (default 90)
  --json FILE      write the raw numbers, versions, machine and commit
  --profile        instead of all this: the time of a training step by op and by module
`;

interface Options {
  readonly settings: Settings;
  readonly only: readonly string[];
  readonly peerSeconds: number;
  readonly json: string | undefined;
  readonly profile: boolean;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string' },
      threads: { type: 'string' },
      python: { type: 'string' },
      'peer-seconds': { type: 'string', default: '90' },
      json: { type: 'string' },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const number = (name: string, text: string) => {
    const value = Number(text);
    if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not '${text}'.`);
    return value;
  };
  const { threads } = values;
  const only = values.only.split(',').filter((part) => part !== '');
  const mechanisms = MECHANISM_CASES.map(({ id }) => id);
  const parts = [...WORKLOADS.map(({ id }) => id), 'overhead', 'peers', ...mechanisms];
  const unknown = only.find((part) => !parts.some((name) => name.startsWith(part)));
  if (unknown !== undefined) {
    throw new Error(
      `--only: no part begins with '${unknown}'. Parts: ${parts.slice(0, -mechanisms.length).join(', ')}, mechanisms.`,
    );
  }
  const onlyMechanisms = only.length > 0 && only.every((part) => part.startsWith('mechanisms'));
  const seconds = values.seconds ?? (onlyMechanisms ? '0.25' : '2');
  return {
    only,
    peerSeconds: number('peer-seconds', values['peer-seconds']),
    json: values.json,
    profile: values.profile,
    settings: {
      rounds: Math.round(number('rounds', values.rounds)),
      seconds: number('seconds', seconds),
      threads: threads === undefined ? availableParallelism() : number('threads', threads),
      threadsGiven: threads !== undefined,
      python: findPyTorch(values.python),
    },
  };
}

/** The first Python that can import torch. */
function findPyTorch(given: string | undefined): string | undefined {
  const candidates = given === undefined ? ['/usr/bin/python3', 'python3'] : [given];
  const works = (python: string) => spawnSync(python, ['-B', '-c', 'import torch']).status === 0;
  return candidates.find(works);
}

async function measure(options: Options, folder: string): Promise<void> {
  const { settings, only, peerSeconds } = options;
  const chosen = (name: string) => only.length === 0 || only.some((part) => name.startsWith(part));
  const setups = new Map<Workload, string>();
  const mechanisms = MECHANISM_CASES.filter(({ id }) => only.length > 0 && chosen(id));
  // The peers start from the setups of all workloads.
  const needed = WORKLOADS.filter(({ id }) => chosen(id) || chosen('peers'));
  for (const workload of needed) {
    const file = join(folder, `${workload.id}.safetensors`);
    await writeSetup(workload, file);
    setups.set(workload, file);
  }
  const setupOf = (workload: Workload) => setups.get(workload) ?? '';
  const training = WORKLOADS.filter(({ kind }) => kind === 'train');

  if (options.profile) {
    const profiled = training.filter(({ id }) => chosen(id));
    for (const workload of profiled) print(profile(workload, folder));
    return;
  }

  const machine = describeMachine();
  const { python, threads, rounds, seconds } = settings;
  print(
    `# Fovea's benchmark\n\n${machine.processor}, ${machine.cores} cores, ${threads} threads; Node ${process.version}, ` +
      `ONNX Runtime ${installedVersion('onnxruntime-node')}; commit ${machine.commit}, ${machine.date}; ` +
      `load when it began ${machine.load.toFixed(1)}.\n` +
      `${rounds} rounds of ${seconds} s a side; median, and in brackets the range over the rounds.`,
  );
  if (machine.load > 0.5) {
    print('**Something else was running on this machine: do not trust small differences.**');
  }
  if (python === undefined) {
    print('No Python with PyTorch was found (--python): its columns are empty.');
  }

  const duels: DuelResult[] = [];
  for (const workload of WORKLOADS.filter(({ id }) => chosen(id))) {
    progress(workload.id);
    duels.push(await duel(workload, setupOf(workload), settings));
  }
  if (duels.length > 0) print(speedTable(duels));
  const trained = duels.filter(({ workload }) => workload.kind === 'train');
  if (trained.length > 0) print(memoryTable(trained));

  const loops: { workload: Workload; result: LoopResult }[] = [];
  for (const workload of chosen('overhead') ? training : []) {
    progress(`overhead of ${workload.id}`);
    loops.push({ workload, result: measureLoop(workload) });
  }
  if (loops.length > 0) print(loopTable(loops));

  const peers: PeerResult[] = [];
  if (chosen('peers')) {
    const logitsOf = (one: Workload) =>
      duels.find(({ workload }) => workload === one)?.fovea.ready.check;
    peers.push(...measurePeers({ setupOf, logitsOf, seconds: peerSeconds, tell: progress }));
    print(peerTable(peers, duels));
  }

  const measured: MechanismResult[] = [];
  for (const one of mechanisms) {
    progress(one.id);
    measured.push(await measureMechanism(one, folder, settings));
  }
  if (measured.length > 0) print(mechanismTable(measured));

  if (options.json !== undefined) {
    const versions = { node: process.version, onnxruntime: installedVersion('onnxruntime-node') };
    const raw = { machine, versions, settings, duels, loops, peers, mechanisms: measured };
    writeFileSync(options.json, `${JSON.stringify(raw, null, 1)}\n`);
  }
}

function print(text: string): void {
  console.log(`${text}\n`);
}

/** On standard error, so that standard output is the report alone. */
function progress(what: string): void {
  console.error(`.. ${what}`);
}

let options: Options | undefined;
try {
  options = readOptions();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}
if (options === undefined) {
  console.log(USAGE);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-bench-'));
  try {
    await measure(options, folder);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

import { Argument, Command, Option } from 'commander';
import logUpdate from 'log-update';
import type { LayoutName } from '../data/cifar.js';
import { datasetInfo } from '../data/catalog.js';
import { downloadDataset, type DownloadProgress } from '../data/node/index.js';
import { RequestError } from '../errors.js';
import { Interrupted } from '../training/fit.js';
import { interruptible } from './command.js';
import { print } from './output.js';

interface DataFlags {
  readonly data: string;
  readonly layout: LayoutName;
  readonly url?: string;
}

/** Without a terminal, a line at most this often. */
const PLAIN_INTERVAL_MS = 10_000;

export function dataCommand(): Command {
  const command = new Command('data')
    .summary('download data sets')
    .description(
      'Download data sets, check them against their published MD5 and unpack them.\n' +
        'What is there already stays; a download that was broken off goes on.',
    )
    .addArgument(new Argument('[ids...]', 'cifar10 or cifar100').default(['cifar100'], 'cifar100'))
    .option('--data <folder>', 'where they go', 'data')
    .addOption(
      new Option('--layout <name>', 'which of the two forms that they are published in')
        .choices(['binary', 'python'] satisfies LayoutName[])
        .default('binary'),
    )
    .option('--url <address>', 'another address of the archive (of one data set)');
  return command.action(async (ids: string[]) => {
    const { data, layout, url } = command.opts<DataFlags>();
    if (url !== undefined && ids.length > 1) {
      throw new RequestError('--url is the address of one archive: name one data set.');
    }
    for (const id of ids) datasetInfo(id);
    for (const id of ids) {
      const { folder, changed } = await interruptible(
        (signal) => download(id, data, { layout, signal, ...(url !== undefined && { url }) }),
        'Stopping. What has come stays; the same command goes on from there.',
      );
      print(`${id}: ${changed ? 'unpacked to' : 'already in'} ${folder}\n`);
    }
  });
}

async function download(
  id: string,
  folder: string,
  options: { layout: LayoutName; signal: AbortSignal; url?: string },
): ReturnType<typeof downloadDataset> {
  let lastPlain = -Infinity;
  const onProgress = (progress: DownloadProgress): void => {
    const line = `${id}: ${describe(progress)}`;
    if (process.stdout.isTTY) {
      logUpdate(line);
    } else if (performance.now() - lastPlain > PLAIN_INTERVAL_MS) {
      lastPlain = performance.now();
      print(`${line}\n`);
    }
  };
  try {
    return await downloadDataset(id, folder, { ...options, onProgress });
  } catch (error) {
    if (!options.signal.aborted) throw error;
    throw new Interrupted(`The download of ${id} was stopped. The same command goes on with it.`);
  } finally {
    if (process.stdout.isTTY) logUpdate.clear();
  }
}

function describe({ phase, received, total }: DownloadProgress): string {
  if (phase === 'unpack') return 'unpacking';
  const of =
    total === undefined
      ? ''
      : ` of ${megabytes(total)} (${((100 * received) / total).toFixed(0)} %)`;
  return `downloading, ${megabytes(received)}${of}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

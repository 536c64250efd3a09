/** How long each network of a comparison takes for one image. */
import { join } from 'node:path';
import type { DataInfo } from '../../data/dataset.js';
import { traceForward } from '../../inspect/trace.js';
import type { Module } from '../../nn/module.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Runtime } from '../../runtime/runtime.js';
import {
  importModules,
  knownInfo,
  modelOf,
  splitOf,
  taskOf,
} from '../../training/node/from-recipe.js';
import { writeJsonFile } from '../../formats/node/files.js';
import { median } from '../report/quantiles.js';
import type { Recipe } from '../../training/recipe.js';

/** Where the figures are kept, in the comparison's folder. */
export const LATENCY = 'latency.json';

/** A network to be timed. */
export interface TimedNetwork {
  readonly label: string;
  /** With what is known of its images, where its run has written that down. */
  readonly recipe: Recipe;
}

/** A forward pass of one image: the median over the rounds. */
export interface Latency {
  readonly milliseconds: number;
  readonly batch: 1;
  readonly repeats: number;
}

/** Enough for a steady median; a round is one forward pass of every network. */
const ROUNDS = 50;
const WARM_UP = 5;

/**
 * Times one forward pass at batch 1 for every network, on the device of the recipe,
 * with the weights as constants, as a program would use the network. The networks take turns, so
 * that whatever else the machine does hits all of them alike. Trained weights are not needed: what
 * is computed does not depend on their values.
 *
 * @returns by label
 */
export async function measureLatency(
  networks: readonly TimedNetwork[],
): Promise<Record<string, Latency>> {
  const [first] = networks;
  if (first === undefined) return {};
  const runtime = await createRuntime(first.recipe.device);
  try {
    const timed = await Promise.all(
      networks.map(async ({ label, recipe }) => ({
        label,
        forward: await compile(runtime, recipe),
        times: [] as number[],
      })),
    );
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (const { forward, times } of timed) {
        const start = performance.now();
        await forward();
        if (round >= 0) times.push(performance.now() - start);
      }
    }
    return Object.fromEntries(
      timed.map(({ label, times }) => [
        label,
        { milliseconds: median(times), batch: 1, repeats: ROUNDS },
      ]),
    );
  } finally {
    await runtime.close();
  }
}

/** Writes what {@link measureLatency} found into a comparison's folder. */
export async function writeLatency(
  folder: string,
  latency: Readonly<Record<string, Latency>>,
): Promise<void> {
  await writeJsonFile(join(folder, LATENCY), latency);
}

/** A recipe's network and what its images are like. */
async function networkOf(recipe: Recipe): Promise<{ model: Module; info: DataInfo }> {
  await importModules(recipe.imports);
  const info = knownInfo(recipe) ?? (await splitOf(recipe, 'val'));
  return { model: modelOf(recipe, taskOf(recipe), info), info };
}

async function compile(runtime: Runtime, recipe: Recipe): Promise<Forward> {
  const { model, info } = await networkOf(recipe);
  const { channels, height, width } = info;
  const { inputs, outputs } = traceForward(model, [[1, channels, height, width]]);
  const executable = await runtime.compile({
    inputs: Object.fromEntries(inputs.map((tensor) => ['image', tensor])),
    outputs: Object.fromEntries(outputs.map((tensor, i) => [`output.${i}`, tensor])),
    constants: model.constants(),
  });
  const image = new Float32Array(channels * height * width);
  return async () => {
    await executable.run({ image });
  };
}

/** One forward pass. */
type Forward = () => Promise<void>;

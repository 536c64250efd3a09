/** How long each network of a comparison takes for one image. */
import { join } from 'node:path';
import { datasetInfo } from '../../data/catalog.js';
import { traceForward } from '../../inspect/trace.js';
import { createRuntime } from '../../runtime/node/create.js';
import type { Executable, Runtime } from '../../runtime/runtime.js';
import { buildModel } from '../../training/node/run.js';
import { writeJsonFile } from '../../formats/node/files.js';
import { median } from '../report/quantiles.js';
import type { PlannedRun } from '../settings.js';

/** Where the figures are kept, in the comparison's folder. */
export const LATENCY = 'latency.json';

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
 * Times one forward pass at batch 1 for one run of every mechanism, on the device of the recipe,
 * with the weights as constants, as a program would use the network. The networks take turns, so
 * that whatever else the machine does hits all of them alike. Trained weights are not needed: what
 * is computed does not depend on their values.
 *
 * @param runs one for each mechanism
 * @param imageShape of one image, [C, H, W]
 * @returns by label
 */
export async function measureLatency(
  runs: readonly PlannedRun[],
  imageShape: readonly number[],
): Promise<Record<string, Latency>> {
  const [first] = runs;
  if (first === undefined) return {};
  const runtime = await createRuntime(first.recipe.device);
  try {
    const networks = await Promise.all(
      runs.map(async (run) => ({
        run,
        forward: await compile(runtime, run, imageShape),
        times: [] as number[],
      })),
    );
    const image = { image: new Float32Array(imageShape.reduce((a, b) => a * b, 1)) };
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (const { forward, times } of networks) {
        const start = performance.now();
        await forward.run(image);
        if (round >= 0) times.push(performance.now() - start);
      }
    }
    return Object.fromEntries(
      networks.map(({ run, times }) => [
        run.variant.label,
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

function compile(
  runtime: Runtime,
  { recipe }: PlannedRun,
  imageShape: readonly number[],
): Promise<Executable> {
  const model = buildModel(recipe, datasetInfo(recipe.dataset).classes);
  const { inputs, outputs } = traceForward(model, [[1, ...imageShape]]);
  return runtime.compile({
    inputs: Object.fromEntries(inputs.map((tensor) => ['image', tensor])),
    outputs: Object.fromEntries(outputs.map((tensor) => ['logits', tensor])),
    constants: model.constants(),
  });
}

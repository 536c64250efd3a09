/** The progress of a comparison: a line for the whole and one for every run under way on a terminal, plain lines elsewhere. */
import logUpdate from 'log-update';
import type { CompareOptions, RunState } from '../experiments/node/comparison.js';
import type { PlannedRun } from '../experiments/settings.js';
import type { EpochMetrics } from '../training/metrics.js';
import type { RunStart } from '../training/node/run.js';
import type { StepProgress } from '../training/fit.js';
import { counted } from '../experiments/report/format.js';
import { classification } from '../tasks/classification.js';
import type { Primary } from '../tasks/task.js';
import { figureText, leading, partOf } from './figures.js';
import { print } from './output.js';
import { duration } from './progress.js';

/** A run under way. */
interface Active {
  /** Work that was done when it started or went on, in epochs. */
  readonly from: number;
  /** Epochs done, with the part of the current one. */
  done: number;
  line: string;
}

/** Without a terminal, a line on the whole at most this often. */
const PLAIN_INTERVAL_MS = 60_000;

export class CompareProgress {
  private readonly started = performance.now();
  private readonly active = new Map<string, Active>();
  private total = 0;
  private finished = 0;
  private epochsPerRun = 1;
  /** Epochs done since this command began, of runs that have ended. */
  private epochsDone = 0;
  private lastPlain = performance.now();
  /** The figure that all runs are judged by, known when the first has begun. */
  private primary: Primary = classification().primary;

  constructor(
    private readonly terminal = process.stdout.isTTY,
    private readonly write: (line: string) => void = (line) => print(`${line}\n`),
  ) {}

  /** To be handed to the comparison. */
  get listeners(): Pick<
    CompareOptions,
    'onPlan' | 'onRunStart' | 'onStep' | 'onEpoch' | 'onRunEnd'
  > {
    return {
      onPlan: (plan, finished) => this.begin(plan, finished),
      onRunStart: (run, start) => this.runStarted(run, start),
      onStep: (run, step) => this.step(run, step),
      onEpoch: (run, metrics) => this.epoch(run, metrics),
      onRunEnd: (run, state) => this.runEnded(run, state),
    };
  }

  /** What follows the runs: another network is looked into, or all of them are timed. */
  stage(stage: PlannedRun | 'latency', done: number, total: number): void {
    const line =
      stage === 'latency'
        ? 'Timing a forward pass of every network'
        : `Looking into ${stage.name} (${done + 1} of ${total})`;
    if (this.terminal) logUpdate(line);
    else this.write(line);
  }

  end(): void {
    if (this.terminal) logUpdate.done();
  }

  private begin(plan: readonly PlannedRun[], finished: ReadonlySet<string>): void {
    const [first] = plan;
    this.total = plan.length;
    this.finished = finished.size;
    this.epochsPerRun = first?.recipe.epochs ?? 1;
    const labels = [...new Set(plan.map(({ variant }) => variant.label))];
    const seeds = new Set(plan.map(({ seed }) => seed)).size;
    this.write(
      `${first?.recipe.model ?? ''} on ${first?.recipe.dataset ?? ''}: ${labels.join(', ')}; ${counted(seeds, 'seed')}, ${counted(this.epochsPerRun, 'epoch')}`,
    );
    this.write(
      this.finished === 0
        ? counted(this.total, 'run')
        : `${counted(this.total, 'run')}, ${this.finished} of them done before`,
    );
  }

  private runStarted({ name }: PlannedRun, { resumedAt, parameters, primary }: RunStart): void {
    this.primary = primary;
    const from = resumedAt?.epoch ?? 0;
    this.active.set(name, { from, done: from, line: '' });
    this.say(
      resumedAt
        ? `${name}: going on in epoch ${from + 1}, after ${counted(resumedAt.iteration, 'step')}`
        : `${name}: ${parameters.toLocaleString('en-US')} parameters`,
    );
  }

  private step({ name, recipe }: PlannedRun, progress: StepProgress): void {
    const run = this.active.get(name);
    if (run === undefined) return;
    const { epoch, phase, iteration, iterations, figures, imagesPerSecond } = progress;
    run.done = epoch - 1 + (phase === 'train' ? iteration / iterations : 1);
    run.line = `  ${name}  epoch ${epoch}/${recipe.epochs} ${phase} ${iteration}/${iterations}  ${leading(figures, this.primary)}  ${imagesPerSecond.toFixed(0)} images/s`;
    if (this.terminal) {
      logUpdate([this.overall(), ...[...this.active.values()].map(({ line }) => line)].join('\n'));
    } else if (performance.now() - this.lastPlain > PLAIN_INTERVAL_MS) {
      this.lastPlain = performance.now();
      this.write(this.overall());
    }
  }

  private epoch({ name, recipe }: PlannedRun, metrics: EpochMetrics): void {
    const { epoch, seconds } = metrics;
    const { primary } = this;
    const shown = (part: 'train' | 'val'): string => leading(partOf(metrics, part), primary);
    this.say(
      `${name}: epoch ${epoch}/${recipe.epochs}  train ${shown('train')}  val ${shown('val')}  ${seconds.toFixed(1)} s`,
    );
  }

  private runEnded({ name }: PlannedRun, { state, message, best }: RunState): void {
    const run = this.active.get(name);
    this.active.delete(name);
    if (run) this.epochsDone += run.done - run.from;
    const { primary } = this;
    if (state === 'done') {
      this.finished += 1;
      this.say(`${name}: done, best ${figureText(primary.name, best ?? NaN, primary)}`);
    } else {
      this.say(`${name}: ${state}${message === undefined ? '' : `. ${message}`}`);
    }
  }

  private overall(): string {
    const running = [...this.active.values()];
    const epochs = running.reduce((sum, { done, from }) => sum + done - from, this.epochsDone);
    const open = (this.total - this.finished) * this.epochsPerRun;
    const left = open - running.reduce((sum, { done }) => sum + done, 0);
    const seconds = (performance.now() - this.started) / 1000;
    const time = epochs > 0 ? `, about ${duration((seconds / epochs) * left)} left` : '';
    return `${this.finished} of ${this.total} runs done${time}`;
  }

  /** A line that stays, above those that renew themselves. */
  private say(line: string): void {
    if (this.terminal) logUpdate.clear();
    this.write(line);
  }
}

/** The progress of a run: one line that renews itself on a terminal, plain lines elsewhere. */
import logUpdate from 'log-update';
import type { EpochMetrics } from '../training/metrics.js';
import type { RunStart } from '../training/node/run.js';
import type { StepProgress } from '../training/fit.js';
import { figuresText, leading, partOf } from './figures.js';
import { classification } from '../tasks/classification.js';
import type { Primary } from '../tasks/task.js';
import { print } from './output.js';

/** Without a terminal, a line at most this often, so that logs stay short. */
const PLAIN_INTERVAL_MS = 30_000;

export class TrainingProgress {
  private start: RunStart | undefined;
  private epochSeconds = 0;
  /** The first step is told at once: it shows that the run is alive. */
  private lastPlain = -Infinity;

  /**
   * @param columns width of the terminal whose last line may renew itself; 0 where there is none
   * @param write prints a line that stays
   */
  constructor(
    private readonly columns = process.stdout.isTTY ? process.stdout.columns : 0,
    private readonly write: (line: string) => void = (line) => print(`${line}\n`),
  ) {}

  private get primary(): Primary {
    return this.start?.primary ?? classification().primary;
  }

  private get terminal(): boolean {
    return this.columns > 0;
  }

  begin(start: RunStart): void {
    this.start = start;
    const { recipe, trainImages, valImages, parameters, macs } = start;
    const attention = recipe.attention === 'none' ? 'no attention' : recipe.attention;
    this.write(
      `${recipe.model}, ${attention}: ${grouped(parameters)} parameters, ${(macs / 1e6).toFixed(1)} M multiply-adds per image`,
    );
    this.write(
      `${recipe.dataset}: ${grouped(trainImages)} images to train, ${grouped(valImages)} to validate; ${start.epochs} ${start.epochs === 1 ? 'epoch' : 'epochs'} on ${recipe.device}`,
    );
    this.write(`Run folder: ${start.folder}`);
    for (const note of start.notes ?? []) this.write(note);
    if (start.resumedAt) this.write(continuing(start.resumedAt));
  }

  step(progress: StepProgress): void {
    if (this.terminal) {
      logUpdate(this.line(progress, this.columns));
    } else if (performance.now() - this.lastPlain > PLAIN_INTERVAL_MS) {
      this.lastPlain = performance.now();
      this.write(this.line(progress));
    }
  }

  epoch(metrics: EpochMetrics): void {
    if (this.terminal) logUpdate.clear();
    this.epochSeconds = metrics.seconds;
    this.lastPlain = performance.now();
    const { epoch, lr } = metrics;
    const shown = (part: 'train' | 'val'): string =>
      figuresText(partOf(metrics, part), this.primary);
    this.write(
      `epoch ${String(epoch).padStart(3)}/${this.start?.epochs ?? '?'}` +
        `  lr ${rate(lr)}` +
        `  train ${shown('train')}  val ${shown('val')}` +
        `  ${metrics.seconds.toFixed(1)} s  ${metrics.images_per_second.toFixed(0)} images/s`,
    );
  }

  /** Leaves the terminal's line in peace, for whatever is printed next. */
  end(): void {
    if (this.terminal) logUpdate.done();
  }

  /** @param columns what the bar must leave room for; without it there is no bar */
  private line(
    { epoch, phase, iteration, iterations, figures, imagesPerSecond }: StepProgress,
    columns = 0,
  ): string {
    const share = iteration / iterations;
    const before = `epoch ${epoch}/${this.start?.epochs ?? epoch} ${phase} `;
    const after =
      `${iteration}/${iterations}  ${leading(figures, this.primary)}` +
      `  ${imagesPerSecond.toFixed(0)} images/s  ${this.left(epoch, phase, share, imagesPerSecond)}`;
    return `${before}${bar(share, Math.min(20, columns - before.length - after.length - 2))}${after}`;
  }

  /** Time left in the whole run, from the last epoch's length or, in the first, from the speed so far. */
  private left(
    epoch: number,
    phase: 'train' | 'val',
    share: number,
    imagesPerSecond: number,
  ): string {
    if (this.start === undefined || !Number.isFinite(imagesPerSecond)) return '';
    const whole = this.epochSeconds || this.start.trainImages / imagesPerSecond;
    const rest = this.start.epochs - epoch + (phase === 'train' ? 1 - share : 0);
    return `${duration(whole * rest)} left`;
  }
}

/** A bar of so many columns and a space; nothing where there is no room for one. */
function bar(share: number, columns: number): string {
  if (columns < 4) return '';
  const filled = Math.round(columns * share);
  return `${'█'.repeat(filled)}${'░'.repeat(columns - filled)} `;
}

function continuing({ epoch, iteration }: NonNullable<RunStart['resumedAt']>): string {
  const steps = `${iteration} ${iteration === 1 ? 'step' : 'steps'}`;
  if (epoch === 0 && iteration === 0) return 'Continuing from the beginning: no step was saved.';
  return iteration === 0
    ? `Continuing after epoch ${epoch}.`
    : `Continuing in epoch ${epoch + 1}, after ${steps}.`;
}

/** A learning rate with up to three digits: `0.1`, `0.0333`, `1e-7`. */
function rate(lr: number): string {
  return String(Number(lr.toPrecision(3))).padEnd(6);
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 h 05 min`, `3 min 20 s`, `12 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h > 0) return `${h} h ${String(min).padStart(2, '0')} min`;
  return min > 0 ? `${min} min ${String(s).padStart(2, '0')} s` : `${s} s`;
}

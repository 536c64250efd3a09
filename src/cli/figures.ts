/** Figures of a task as a terminal shows them. */
import type { Primary } from '../tasks/task.js';
import type { EpochMetrics } from '../training/metrics.js';

/** Names of figures in words, where the name is not it. */
const TITLES: Readonly<Record<string, string>> = {
  top1: 'top-1',
  top5: 'top-5',
  miou: 'mean IoU',
  pixel_accuracy: 'pixels right',
  knn: 'k-NN',
  match: 'match',
};

/** Figures that are shares, in percent. A task's own are not known, but for the one that it is judged by. */
const PERCENT = new Set([...Object.keys(TITLES), 'linear']);

/** `52.30 %`, or `1.234` of a figure that is no share. */
export function valueText(name: string, value: number, primary: Primary, digits = 2): string {
  const percent = name === primary.name ? primary.unit === '%' : PERCENT.has(name);
  return percent ? `${value.toFixed(digits)} %` : value.toFixed(digits + 1);
}

/** `top-1 52.30 %` */
export function figureText(name: string, value: number, primary: Primary, digits = 2): string {
  return `${TITLES[name] ?? name.replaceAll('_', ' ')} ${valueText(name, value, primary, digits)}`;
}

/** All figures: `loss 1.234 top-1 52.30 % top-5 80.10 %`, the loss first. */
export function figuresText(
  figures: Readonly<Record<string, number>>,
  primary: Primary,
  between = ' ',
): string {
  return Object.entries(figures)
    .map(([name, value]) => figureText(name, value, primary))
    .join(between);
}

/** The figures of one part of an epoch, without the `train_` or `val_` before their names. */
export function partOf(metrics: EpochMetrics, part: 'train' | 'val'): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([name, value]) =>
      name.startsWith(`${part}_`) ? [[name.slice(part.length + 1), value]] : [],
    ),
  );
}

/** The loss and the figure that the task is judged by, for a line that has little room. */
export function leading(figures: Readonly<Record<string, number>>, primary: Primary): string {
  const names = primary.name === 'loss' ? ['loss'] : ['loss', primary.name];
  return names
    .flatMap((name) => {
      const value = figures[name];
      return value === undefined ? [] : [figureText(name, value, primary, name === 'loss' ? 2 : 1)];
    })
    .join('  ');
}

/** Predictions as a person or a program reads them: text, JSON or CSV, printed picture by picture. */
import { csvLine, type Cell } from '../csv-line.js';
import {
  nameOfClass,
  predictedMask,
  rankedClasses,
  type Mask,
  type Predictions,
  type RankedClass,
} from '../explain/predicted.js';
import type { HostTensor } from '../runtime/engine.js';
import { visibleLine } from './output.js';

/** A number, or lists of numbers in lists. */
type Numbers = number | readonly Numbers[];

/** How much of a picture a class covers. */
interface ClassShare {
  readonly class: string;
  readonly index: number;
  /** From 0 to 1. */
  readonly share: number;
}

/** What a model says of one picture. */
export interface Answer {
  readonly file: string;
  /** Of a classifier: the most probable classes. */
  readonly predictions?: readonly RankedClass[];
  /** Of a segmentation network: the classes that occur, the largest first. */
  readonly shares?: readonly ClassShare[];
  /** Where the mask was written. */
  readonly mask?: string;
  /** Whatever else the task predicts, by name. */
  readonly values: Readonly<Record<string, Numbers>>;
}

/**
 * @param top how many classes are named
 * @param writeMask is given the mask, where there is one, and returns where it was written
 */
export async function answerOf(
  file: string,
  predictions: Predictions,
  {
    classes,
    top,
    writeMask,
  }: {
    readonly classes: readonly string[];
    readonly top: number;
    readonly writeMask?: ((mask: Mask) => Promise<string>) | undefined;
  },
): Promise<Answer> {
  const ranked = rankedClasses(predictions, classes, top);
  const mask = predictedMask(predictions);
  const path = mask && (await writeMask?.(mask));
  const others = Object.entries(predictions).filter(
    ([name]) => !(ranked && name === 'probabilities') && !(mask && name === 'classes'),
  );
  return {
    file,
    ...(ranked && { predictions: ranked }),
    ...(mask && { shares: sharesOf(mask, classes) }),
    ...(path !== undefined && { mask: path }),
    values: Object.fromEntries(others.map(([name, tensor]) => [name, nested(tensor)])),
  };
}

function sharesOf({ data }: Mask, classes: readonly string[]): ClassShare[] {
  const counts = new Map<number, number>();
  for (const index of data) counts.set(index, (counts.get(index) ?? 0) + 1);
  return [...counts]
    .map(([index, count]) => ({
      class: nameOfClass(classes, index),
      index,
      share: count / data.length,
    }))
    .sort((a, b) => b.share - a.share || a.index - b.index);
}

function nested({ shape, data }: HostTensor): Numbers {
  const build = (axis: number, start: number, length: number): Numbers => {
    const size = shape[axis];
    if (size === undefined) return Number(data[start]);
    const step = length / size;
    return Array.from({ length: size }, (_, i) => build(axis + 1, start + i * step, step));
  };
  return build(0, 0, data.length);
}

/** A form of printing. Texts are handed out as they come, so that many pictures need no memory. */
export interface AnswerForm {
  begin(): string;
  line(answer: Answer): string;
  /** @param problems pictures that could not be read, and why */
  end(problems: readonly string[]): string;
}

/** Lines for people. @param files all of them, for the width of their column */
export function textForm(files: readonly string[]): AnswerForm {
  // Not Math.max(...lengths): a function takes fewer arguments than there may be files.
  const longest = files.reduce((most, file) => Math.max(most, visibleLine(file).length), 0);
  const width = Math.min(40, longest);
  const share = (part: number): string => `${(100 * part).toFixed(1)} %`;
  return {
    begin: () => '',
    line: ({ file, predictions = [], shares = [], mask, values }) => {
      const parts = [
        ...predictions.map(({ class: name, probability }) => `${name} ${share(probability)}`),
        ...shares.map((one) => `${one.class} ${share(one.share)}`),
        ...Object.entries(values).map(([name, numbers]) => `${name} ${shortened(numbers)}`),
        ...(mask === undefined ? [] : [`-> ${mask}`]),
      ];
      return `${visibleLine(file).padEnd(width)}  ${parts.map(visibleLine).join('  ')}\n`;
    },
    end: () => '',
  };
}

/** One JSON object. @param head what stands in it before the pictures */
export function jsonForm(head: Readonly<Record<string, unknown>>): AnswerForm {
  const start = JSON.stringify(head, null, 2).slice(0, -2);
  let between = '';
  return {
    begin: () => `${start},\n  "images": [`,
    line: ({ values, ...answer }) => {
      const text = `${between}\n    ${JSON.stringify({ ...answer, ...values })}`;
      between = ',';
      return text;
    },
    end: (problems) => `\n  ],\n  "problems": ${JSON.stringify(problems)}\n}\n`,
  };
}

/** A table, by RFC 4180 but for the ends of lines, which are the terminal's: a line for every class of a picture, or for every picture that has none. */
export function csvForm(): AnswerForm {
  const lines = (rows: readonly (readonly Cell[])[]): string =>
    rows.map((row) => `${csvLine(row)}\n`).join('');
  let titled = false;
  const table = (titles: readonly string[], rows: readonly (readonly Cell[])[]): string => {
    const head = titled ? '' : lines([titles]);
    titled = true;
    return head + lines(rows);
  };
  return {
    begin: () => '',
    line: ({ file, predictions, shares, mask, values }) => {
      if (predictions) {
        return table(
          ['file', 'rank', 'class', 'probability'],
          predictions.map(({ class: name, probability }, i) => [file, i + 1, name, probability]),
        );
      }
      if (shares) {
        return table(
          ['file', 'class', 'share', 'mask'],
          shares.map((one) => [file, one.class, one.share, mask ?? null]),
        );
      }
      const columns = Object.entries(values).flatMap(([name, numbers]) => flat(name, numbers));
      return table(
        ['file', ...columns.map(([name]) => name)],
        [[file, ...columns.map(([, value]) => value)]],
      );
    },
    end: () => '',
  };
}

/** `features.0`, `features.1`, .. */
function flat(name: string, numbers: Numbers): (readonly [string, number])[] {
  return typeof numbers === 'number'
    ? [[name, numbers]]
    : numbers.flatMap((one, i) => flat(`${name}.${i}`, one));
}

/** The first numbers, and how many there are. */
function shortened(numbers: Numbers): string {
  const all = flat('', numbers).map(([, value]) => Number(value.toPrecision(3)));
  return all.length > 4 ? `${all.slice(0, 3).join(' ')} .. (${all.length} numbers)` : all.join(' ');
}

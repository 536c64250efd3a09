/** Options that are said once: a schema for each is its type, its default, its range and its meaning. */
import { z } from 'zod';
import { describeValue } from './describe-value.js';
import { RequestError } from './errors.js';
import { nearest, suggestion } from './suggest.js';

/** A schema for each option, by name. Its default is `.default(..)`, its meaning `.describe('..')`. */
export type OptionShape = Readonly<Record<string, z.ZodType>>;

/** What a program may give: options with a default may be left out. */
export type OptionsOf<Shape extends OptionShape> = Readonly<z.input<z.ZodObject<Shape>>>;

/** All options, checked and completed. */
export type CompleteOptions<Shape extends OptionShape> = Readonly<z.output<z.ZodObject<Shape>>>;

/** One option in words. */
export interface OptionInfo {
  /** Absent where it must be given. */
  readonly default?: unknown;
  /** What it may be: `a positive integer`. */
  readonly values: string;
  /** What it does. */
  readonly meaning: string;
}

/** The options of one thing: of a mechanism, say. */
export class OptionSet<Shape extends OptionShape = OptionShape> {
  #info: Readonly<Record<string, OptionInfo>> | undefined;

  constructor(readonly shape: Shape) {}

  /**
   * Checks options and adds the defaults of those that are not given.
   * @param owner whose they are, for messages: `SqueezeExcite`, `the attention 'se'`
   * @throws RequestError for an unknown option, a value that it cannot have, or one that is missing
   */
  complete(owner: string, given: object): CompleteOptions<Shape> {
    const checked: Record<string, unknown> = { ...this.check(owner, given) };
    for (const [name, schema] of Object.entries(this.shape)) {
      if (Object.hasOwn(checked, name)) continue;
      const standard = schema.safeParse(undefined);
      if (!standard.success) {
        const { values, meaning } = this.infoOf(name);
        throw new RequestError(
          `${capitalised(owner)} needs the option '${name}', ${values}: ${meaning}`,
        );
      }
      checked[name] = standard.data;
    }
    return checked as CompleteOptions<Shape>;
  }

  /**
   * Checks only what is given. An option that is undefined is not given.
   * @throws RequestError for an unknown option, or a value that it cannot have
   */
  check(owner: string, given: object): Readonly<Record<string, unknown>> {
    const isOptions: boolean = typeof given === 'object' && !Array.isArray(given);
    if (!isOptions || (given as object | null) === null) {
      throw new RequestError(
        `The options of ${owner} must be an object of options by name, not ${describeValue(given)}.`,
      );
    }
    const pairs = Object.entries(given).map(([name, value]): [string, unknown] => [
      name,
      this.checkOne(owner, name, value),
    ]);
    return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
  }

  /** All options in words, by name. */
  info(): Readonly<Record<string, OptionInfo>> {
    this.#info ??= Object.fromEntries(
      Object.keys(this.shape).map((name) => [name, this.infoOf(name)]),
    );
    return this.#info;
  }

  private checkOne(owner: string, name: string, value: unknown): unknown {
    const schema = Object.hasOwn(this.shape, name) ? this.shape[name] : undefined;
    if (schema === undefined) {
      const names = Object.keys(this.shape);
      const known = names.length === 0 ? 'It has none.' : suggestion(name, names);
      throw new RequestError(`${capitalised(owner)} has no option '${name}'. ${known}`);
    }
    if (value === undefined) return undefined;
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const { values, default: standard } = this.infoOf(name);
    const byDefault = standard === undefined ? '' : ` (default ${quoted(standard)})`;
    const reason = parsed.error.issues.find(({ code }) => code === 'custom')?.message;
    throw new RequestError(
      `The option '${name}' of ${owner} must be ${values}${byDefault}, not ${shown(value)}${reason === undefined ? '.' : `: ${reason}`}${guess(schema, value)}`,
    );
  }

  private infoOf(name: string): OptionInfo {
    const schema = this.shape[name] ?? z.unknown();
    const json = asJson(schema);
    const standard = schema.safeParse(undefined);
    return {
      ...(standard.success && standard.data !== undefined && { default: standard.data }),
      values: inWords(json),
      meaning: json.description ?? '',
    };
  }
}

type Json = z.core.JSONSchema.BaseSchema & { readonly values?: unknown };

function asJson(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}

/** What a schema allows, as part of a sentence. A schema's `.meta({ values: '..' })` says it itself. */
function inWords(json: Json): string {
  if (typeof json.values === 'string') return json.values;
  if (json.anyOf) return either([...new Set(json.anyOf.map((one) => inWords(one as Json)))]);
  if (json.enum) return either(json.enum.map(quoted));
  if (json.const !== undefined) return quoted(json.const);
  // zod writes a number or null so, against its own type.
  const types: unknown = json.type;
  if (Array.isArray(types))
    return either(
      (types as Json['type'][]).map((type) => inWords({ ...json, ...(type && { type }) })),
    );
  switch (json.type) {
    case 'null':
      return 'null';
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a text';
    case 'integer':
    case 'number':
      return numberInWords(json);
    case 'array':
      return `a list of ${lengthInWords(json)}, each ${inWords(json.items as Json)}`;
    default:
      return 'a value';
  }
}

function numberInWords({ type, ...range }: Json): string {
  const isInteger = type === 'integer';
  const noun = isInteger ? 'an integer' : 'a number';
  // Integers have the bounds of what a number can hold exactly, which nobody has to be told.
  const bound = (value: number | boolean | undefined) =>
    typeof value !== 'number' || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;
  const above = bound(range.exclusiveMinimum);
  const below = bound(range.exclusiveMaximum);
  const least = bound(range.minimum) ?? (isInteger && above !== undefined ? above + 1 : undefined);
  const most = bound(range.maximum);
  if (least !== undefined && most !== undefined) return `${noun} from ${least} to ${most}`;
  if (isInteger && least === 1) return 'a positive integer';
  const limits = [
    ...(least !== undefined ? [`of at least ${least}`] : []),
    ...(least === undefined && above !== undefined ? [`above ${above}`] : []),
    ...(most !== undefined ? [`of at most ${most}`] : []),
    ...(below !== undefined ? [`below ${below}`] : []),
  ];
  return limits.length === 0 ? noun : `${noun} ${limits.join(' and ')}`;
}

function lengthInWords({ minItems, maxItems }: Json): string {
  if (minItems !== undefined && minItems === maxItems) return `${minItems} values`;
  return minItems === undefined ? 'values' : `${minItems} or more values`;
}

function either(parts: readonly string[]): string {
  const [last = '', ...others] = [...parts].reverse();
  return others.length === 0 ? last : `${others.reverse().join(', ')} or ${last}`;
}

/** The nearest of some named values, for one that was mistyped. */
function guess(schema: z.ZodType, value: unknown): string {
  const names = asJson(schema).enum;
  if (names === undefined || typeof value !== 'string') return '';
  const [near] = nearest(value, names.map(String), 1);
  return near === undefined ? '' : ` Did you mean '${near}'?`;
}

/** A value as a message quotes it. */
function quoted(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
}

/** A value that was given, which may be anything. */
function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const isPlain = ['string', 'boolean'].includes(typeof value) || Array.isArray(value);
  return isPlain ? JSON.stringify(value) : describeValue(value);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

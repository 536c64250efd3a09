/** How a mechanism is written: the one grammar of command lines, configurations and programs. */
import { RequestError } from '../errors.js';
import { scalar } from '../scalar.js';

/** A mechanism, its options where they are given, and the stages of a network that have it (default: all). */
export interface WrittenChoice {
  readonly id: string;
  readonly options: Readonly<Record<string, ReturnType<typeof scalar>>>;
  readonly stages?: readonly number[];
}

/**
 * Reads `se`, `cbam:ratio=8:kernel=5`, `sagan@3` or `non-local:subSample=false@2+3`: after a colon
 * stands an option, after an at sign the stages, joined by `+`.
 * @throws RequestError for what cannot be read
 */
export function parseChoice(text: string): WrittenChoice {
  const [, id, options, stages] =
    /^([\w-]+)((?::\w+=[^:@]+)*)(?:@(\d+(?:\+\d+)*))?$/.exec(text) ?? [];
  if (id === undefined || options === undefined) {
    throw new RequestError(
      `'${text}' is no mechanism. Expected an id, then options after colons, then stages after an at sign: se, cbam:ratio=8, sagan@3, non-local:subSample=false@2+3.`,
    );
  }
  const given: Record<string, ReturnType<typeof scalar>> = {};
  for (const pair of options.split(':').slice(1)) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at);
    if (Object.hasOwn(given, name)) {
      throw new RequestError(`'${text}' gives the option '${name}' twice.`);
    }
    given[name] = scalar(pair.slice(at + 1));
  }
  return {
    id,
    options: given,
    ...(stages !== undefined && { stages: stages.split('+').map(Number) }),
  };
}

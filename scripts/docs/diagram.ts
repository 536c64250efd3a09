/** A traced forward pass as a Mermaid flowchart, which GitHub and most editors draw. */
import type { Trace, TraceStep } from '../../src/inspect/trace.js';
import { formatShape } from '../../src/tensor/shape.js';

export function flowchart({ inputs }: Pick<Trace, 'inputs'>, steps: readonly TraceStep[]): string {
  const lines = ['flowchart TD'];
  const ids = new Map<number | string, string>();
  const names = [...new Set(steps.flatMap(({ from }) => from))].filter(
    (source): source is string => typeof source === 'string',
  );
  for (const [i, name] of names.entries()) {
    const shape = inputs.find(({ attributes }) => (attributes as { name: string }).name === name);
    ids.set(name, `in${i}`);
    lines.push(`  in${i}(["${name}${shape ? `<br/>${formatShape(shape.shape)}` : ''}"])`);
  }
  for (const { number, part, what, shape, exposes } of steps) {
    ids.set(number, `s${number}`);
    const words = [
      ...(part === undefined ? [] : [`<b>${part}</b>`]),
      what.join(', '),
      formatShape(shape),
      ...(exposes === undefined ? [] : [`<i>${exposes}</i>`]),
    ];
    const style = exposes === undefined ? '' : ':::exposed';
    lines.push(`  s${number}["${words.join('<br/>')}"]${style}`);
  }
  for (const { number, from } of steps) {
    for (const source of from) lines.push(`  ${ids.get(source) ?? ''} --> s${number}`);
  }
  lines.push('  classDef exposed stroke-width:3px');
  return lines.join('\n');
}

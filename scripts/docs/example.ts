/** The runnable example at the end of a page. */
import type { AnyOptions, Mechanism } from '../../src/attention/index.js';
import { traceForward } from '../../src/inspect/trace.js';

/** What every mechanism is shown on: [B, C, H, W]. */
export const FEATURE_MAP = [1, 64, 32, 32] as const;

/** Sizes for an example where the defaults would make it slow. */
const SMALL: Readonly<Record<string, AnyOptions>> = {
  'simple-vit': { dim: 64, depth: 2, heads: 4, headDim: 16, mlpDim: 128 },
};

/** A program, and what it prints. */
export interface Example {
  readonly code: string;
  readonly prints: readonly string[];
}

export function exampleFor(mechanism: Mechanism): Example {
  const { id, inputs } = mechanism;
  const [, channels, height, width] = FEATURE_MAP;
  const options = { ...mechanism.optionsFor(height, width), ...SMALL[id] };
  const shapes = Array.from({ length: inputs }, () => FEATURE_MAP);
  const trace = traceForward(mechanism.create(channels, options), shapes);
  const prints = [
    ...trace.outputs.map(({ shape }) => `output ${list(shape)}`),
    ...[...trace.exposed].map(([name, { shape }]) => `${name} ${list(shape)}`),
  ];
  const given = Object.keys(options).length > 0 ? `, ${literal(options)}` : '';
  const maps = `[${shapes.map(() => 'map()').join(', ')}]`;
  const code = [
    "import { attention, createRuntime, RandomStream, runOnce } from 'fovea/node';",
    '',
    `const module = attention.create('${id}', ${channels}${given});`,
    `const shape = [${FEATURE_MAP.join(', ')}];`,
    "const random = new RandomStream(1, 'example');",
    `const map = () => ({ shape, data: random.fillNormal(new Float32Array(${channels} * ${height} * ${width}), 0, 1) });`,
    '',
    "const runtime = await createRuntime('cpu');",
    `const { outputs, exposed } = await runOnce(runtime, module, ${maps});`,
    'await runtime.close();',
    '',
    "for (const { shape } of outputs) console.log('output', shape);",
    'for (const [name, { shape }] of exposed) console.log(name, shape);',
    ...prints.map((line) => `// ${line}`),
  ];
  return { code: code.join('\n'), prints };
}

/** As Node prints an array. */
function list(shape: readonly number[]): string {
  return `[ ${shape.join(', ')} ]`;
}

function literal(options: AnyOptions): string {
  const pairs = Object.entries(options).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `{ ${pairs.join(', ')} }`;
}

/**
 * The rules of the house, as rules: `npm run rooms`.
 *   - rooms import downwards only (ROOMS below, lowest first; DESIGN: "data goes one way");
 *   - no import cycles, but for types;
 *   - what the browser entries reach needs nothing that a browser has not;
 *   - one room knows ONNX Runtime.
 */
const { builtinModules } = require('node:module');

/** Lowest first. A room may import from its own line and from every line above it in this list. */
const ROOMS = [
  ['random', 'formats'],
  ['tensor'],
  ['ops'],
  ['autodiff'],
  ['onnx'],
  ['runtime'],
  ['nn'],
  ['losses', 'optim'],
  ['attention'],
  ['models'],
  ['data', 'weights', 'inspect'],
  ['tasks'],
  ['training'],
  ['explain'],
  ['experiments'],
  ['parity'],
  ['cli'],
];

const names = ROOMS.flat().join('|');
// A test may look down on its own room from wherever it likes.
const TEST = '\\.test\\.ts$|/testing/';

const roomOrder = ROOMS.slice(0, -1).map((line, i) => ({
  name: `rooms-go-one-way-${line.join('-')}`,
  comment: `src/${line.join(', src/')} must not reach back into a room above.`,
  severity: 'error',
  from: { path: `^src/(${line.join('|')})/`, pathNot: TEST },
  to: {
    path: `^src/(${ROOMS.slice(i + 1)
      .flat()
      .join('|')})/`,
  },
}));

const builtins = builtinModules.filter((name) => !name.startsWith('_') && !name.includes('/'));
const NOT_IN_A_BROWSER = [
  '^node:',
  `^(${builtins.join('|')})(/|$)`,
  '(^|/)onnxruntime-node(/|$)',
  '(^|/)node_modules/(tar|commander|linkedom|fs-native-extensions|@napi-rs|@observablehq)/',
  '^src/.+/node/',
  '\\.node\\.ts$',
  '^src/node\\.ts$',
  '^src/cli/',
];

module.exports = {
  forbidden: [
    ...roomOrder,
    {
      name: 'rooms-are-listed',
      comment: 'A new room needs a place in the order: add it to ROOMS in .dependency-cruiser.cjs.',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: `^src/(${names}|testing)/` },
    },
    {
      name: 'entries-are-on-top',
      comment: 'Rooms and shared files do not import the public entries.',
      severity: 'error',
      from: { path: '^src/', pathNot: [TEST, '^src/(index|node|web)\\.ts$'] },
      to: { path: '^src/(index|node|web)\\.ts$' },
    },
    {
      name: 'shared-files-are-below',
      comment: 'Files directly in src/ (errors, suggest) are below every room and import none.',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$', pathNot: [TEST, '^src/(index|node|web)\\.ts$'] },
      to: { path: '^src/[^/]+/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or a third is missing.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'browser-boundary',
      comment:
        'The browser entries must not reach Node modules, native packages or files made for ' +
        'Node (a node/ folder, *.node.ts, src/cli).',
      severity: 'error',
      from: { path: '^src/(index|web)\\.ts$' },
      to: { path: NOT_IN_A_BROWSER, reachable: true },
    },
    {
      name: 'one-room-knows-onnxruntime',
      comment: 'Only src/runtime imports onnxruntime-*; everything above goes through it.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/runtime/', TEST] },
      to: { path: '(^|/)onnxruntime-(common|node|web)(/|$)' },
    },
    {
      name: 'no-tests-in-the-library',
      comment: 'Code that ships does not import tests or test helpers.',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { path: `^tests/|${TEST}` },
    },
    {
      name: 'imports-resolve',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'packages-are-declared',
      comment: 'What ships imports only what package.json lists under dependencies and peers.',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['npm-peer'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Imports of types count for the order of the rooms too.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};

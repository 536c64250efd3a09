import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Files that run in Node only, or are not shipped; everything else must bundle for a browser. */
const NODE_FILES = [
  '**/node/**',
  '**/*.node.ts',
  'src/node.ts',
  'src/cli/**',
  '**/*.test.ts',
  'src/**/testing/**',
  'tests/**',
  'bench/**',
  'scripts/**',
  '*.config.{ts,js}',
];
const TEST_FILES = ['**/*.test.ts', 'src/**/testing/**', 'tests/**'];
const PLAIN_JAVASCRIPT = ['**/*.{js,mjs,cjs}'];

const notInABrowser = 'This file must bundle for a browser. Move the code to a node/ folder.';

export default defineConfig(
  // The benchmark's packages are installed only when it runs, so its types cannot be looked up here.
  globalIgnores(['dist/', 'coverage/', 'runs/', 'data/', 'docs/', 'bench/', '**/*_pb.ts']),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
  },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      // Published coefficients are quoted with all the digits they are printed with.
      'no-loss-of-precision': 'off',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': true }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      // `return refuse(...)` of a function that never returns reads well.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // Shapes, counts and offsets belong in messages as they are.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Installing methods on Tensor merges an interface into the class on purpose.
      '@typescript-eslint/no-unsafe-declaration-merging': 'off',
      // A class that only gathers static builders is still named as one.
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  {
    name: 'browser boundary',
    files: ['src/**/*.ts'],
    ignores: NODE_FILES,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['node:*'], message: notInABrowser },
            {
              group: ['onnxruntime-node', '@napi-rs/*', 'tar', 'commander'],
              message: notInABrowser,
            },
            { group: ['**/node/**', '**/*.node.js'], message: notInABrowser },
          ],
        },
      ],
      'no-restricted-globals': [
        'error',
        ...['process', 'Buffer', 'global', 'require', '__dirname', '__filename'].map((name) => ({
          name,
          message: notInABrowser,
        })),
      ],
    },
  },
  {
    name: 'programs may print',
    files: ['src/cli/**', 'bench/**', 'scripts/**'],
    rules: { 'no-console': 'off' },
  },
  {
    name: 'tests',
    files: TEST_FILES,
    rules: {
      'max-lines': 'off',
      // Tests of types say what must not compile.
      '@typescript-eslint/ban-ts-comment': [
        'error',
        { 'ts-expect-error': 'allow-with-description' },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    name: 'plain JavaScript',
    files: PLAIN_JAVASCRIPT,
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly' },
    },
  },
  {
    name: 'CommonJS',
    files: ['**/*.cjs'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { require: 'readonly', module: 'writable' },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);

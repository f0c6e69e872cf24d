import { defineConfig, globalIgnores } from 'eslint/config'
import prettier from 'eslint-config-prettier'
import tseslint from 'typescript-eslint'

const shipped = ['src/**/*.ts', 'packages/*/src/**/*.ts']
const typed = [...shipped, 'test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts']
const wiring = ['src/app.ts', 'src/server.ts', 'src/cli.ts']
const entries = ['src/server.ts', 'src/cli.ts']

const subtest = { from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }

// Marked as deprecated to make it stand out; config/load.ts refuses plain HTTP in production.
const plainHttp = { from: 'package', package: 'openid-client', name: 'allowInsecureRequests' }

const readsEnvironment =
  'Only server.ts and cli.ts read the environment: take the value from config.'

/** `import type` is free everywhere; instances are handed over as options. */
const directions = [
  {
    regex: '^\\.\\./(\\.\\./)*(features/)?[^/]+/(service|repository)\\.js$',
    allowTypeImports: true,
    message: 'Another feature is reached by `import type`; app.ts hands its instance over.',
  },
  {
    regex: '^((\\.\\./)+|\\./(?=app|cli))(app|server|cli)\\.js$',
    allowTypeImports: true,
    message: 'The entries and app.ts import the features, never the other way round.',
  },
]

export default defineConfig(
  globalIgnores(['**/dist/', 'examples/', '.tap/', '.gatehouse/']),
  {
    files: typed,
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowAny: false, allowBoolean: false, allowNullish: false, allowRegExp: false },
      ],
      '@typescript-eslint/no-deprecated': ['error', { allow: [plainHttp] }],
      // Fastify's plugins and hooks are async by contract, with or without an await in them.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { properties: false } },
      ],
      // `query<Row>(…)` names the row that the statement returns, as pg's own does.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Our factories return methods that use no `this`, and they are handed over one by one.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: shipped,
    rules: {
      'no-restricted-exports': [
        'error',
        {
          restrictDefaultExports: {
            direct: true,
            named: true,
            defaultFrom: true,
            namedFrom: true,
            namespaceFrom: true,
          },
        },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: wiring,
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: directions }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ImportExpression[source.value=/^\\.\\./]', message: 'Import statically.' },
      ],
    },
  },
  {
    files: shipped,
    ignores: entries,
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: readsEnvironment },
      ],
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'node:process', importNames: ['env'], message: readsEnvironment }] },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      // A reply's body is `any`, and a test that reads a wrong field fails by itself.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `t.test(…)` queues itself; every other promise of a test is awaited.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafePromises: [subtest] },
      ],
    },
  },
  prettier,
)

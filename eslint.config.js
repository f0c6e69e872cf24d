import { defineConfig, globalIgnores } from 'eslint/config'
import prettier from 'eslint-config-prettier'
import tseslint from 'typescript-eslint'

const shipped = ['src/**/*.ts', 'packages/*/src/**/*.ts']
const typed = [...shipped, 'test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts']
const entries = ['src/server.ts', 'src/cli.ts', 'src/operator-cli.ts']

const subtest = { from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }

// Marked as deprecated to make it stand out; config/load.ts refuses plain HTTP in production.
const plainHttp = { from: 'package', package: 'openid-client', name: 'allowInsecureRequests' }

const readsEnvironment = 'Only the entries read the environment: take the value from config.'

/** From the lowest up. A file imports from its own band and lower ones, types included. */
const bands = [
  ['errors.ts'],
  ['crypto/', 'concurrency/', '@gatehouse/verify'],
  ['config/', 'db/', 'http/', 'log/'],
  ['features/'],
  ['pages/', 'compat/', 'forward-auth/'],
  ['app.ts', 'app-base.ts', 'services/', 'store.ts', 'process/'],
  ['commands/'],
  ['server.ts', 'cli.ts', 'operator-cli.ts', 'verify.ts'],
]

const betweenFeatures = {
  regex: '^\\.\\./(\\.\\./)*(features/)?[^/]+/(service|repository)\\.js$',
  allowTypeImports: true,
  message: 'Another feature is reached by `import type`; src/services hands its instance over.',
}

/** Forbids `names` to files that are `depth` folders below src. */
function forbid(names, depth) {
  const up = depth === 0 ? '\\./' : `(\\.\\./){${depth}}`
  const paths = names.map((name) => name.replace(/\.ts$/, '\\.js$'))
  const sources = paths.map((path) => (path.startsWith('@') ? path : up + path))
  return {
    regex: `^(${sources.join('|')})`,
    allowTypeImports: false,
    message: 'A file imports from its own band and lower ones: see `bands` in eslint.config.js.',
  }
}

function rulesOf(band, at) {
  const higher = bands.slice(at + 1).flat()
  const wiresFeatures = band.includes('services/')
  return band
    .filter((name) => !name.startsWith('@'))
    .flatMap((name) =>
      (name.endsWith('/') ? [1, 2, 3, 4] : [0]).map((depth) => ({
        files: [`src/${name}${depth === 0 ? '' : `${'*/'.repeat(depth - 1)}*.ts`}`],
        rules: {
          '@typescript-eslint/no-restricted-imports': [
            'error',
            {
              patterns: [
                ...(wiresFeatures ? [] : [betweenFeatures]),
                ...(higher.length > 0 ? [forbid(higher, depth)] : []),
              ],
            },
          ],
        },
      })),
    )
}

/** A package is published alone: no file of it leaves its own src. */
const packageRules = [1, 2].map((depth) => ({
  files: [`packages/*/src/${'*/'.repeat(depth - 1)}*.ts`],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [{ regex: `^(\\.\\./){${depth}}`, message: 'A package imports nothing of src.' }],
      },
    ],
  },
}))

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
  ...bands.flatMap(rulesOf),
  ...packageRules,
  {
    files: ['src/**/*.ts'],
    ignores: ['src/app.ts', 'src/process/resources.ts', ...entries],
    rules: {
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

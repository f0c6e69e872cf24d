import t from 'tap'
import { readMarkdown } from '../../../../src/features/uploads/child/front-matter.js'
import { toHtml } from '../../../../src/features/uploads/child/html.js'
import { dashes } from '../../../support/hostile.js'

const matter = (yaml: string) => Buffer.from(`---\n${yaml}\n---\n# Ada\n`)
const nested = { code: 'invalid_readme', fields: [{ message: 'is nested too deeply' }] }

const invalid = { code: 'invalid_readme', fields: [{ message: 'is not valid YAML' }] }

/** Every way of nesting in YAML. */
const deep: Record<string, string> = {
  'lists in one line': `${'- '.repeat(4_000)}a`,
  'lists of maps in one line': `${'- a: - '.repeat(1_100)}a`,
  'keys in one line': `${'? '.repeat(4_000)}a`,
  'lists and keys in one line': `${'- ? '.repeat(2_000)}a`,
  'maps by indentation': Array.from({ length: 120 }, (_, n) => `${' '.repeat(n)}a:`).join('\n'),
  'lists by indentation': Array.from({ length: 120 }, (_, n) => `${' '.repeat(n)}-`).join('\n'),
  tabs: `${'-\t'.repeat(4_000)}a`,
  anchors: `${'- &a '.repeat(1_600)}a`,
  tags: `${'- !!seq '.repeat(1_000)}a`,
  brackets: `a: ${'['.repeat(4_000)}${']'.repeat(4_000)}`,
  'open brackets': `a: ${'['.repeat(8_000)}`,
  braces: '{a: '.repeat(2_000),
  'brackets and braces': '[{a: '.repeat(1_600),
  'keys in brackets': '[? '.repeat(2_700),
}

/** YAML allows no compact collection after a property, so these are invalid, not nested. */
const flat = new Set(['anchors', 'tags'])

t.test('deeply nested front matter is refused before recursion', async (t) => {
  for (const [name, yaml] of Object.entries(deep)) {
    // Earlier, the second stack overflow ended the process.
    const refused = flat.has(name) ? invalid : nested
    for (let nth = 0; nth < 2; nth += 1) t.throws(() => readMarkdown(matter(yaml)), refused, name)
  }
  t.throws(() => readMarkdown(Buffer.from(dashes)), nested)
})

t.test('front matter may have eight levels in any syntax', async (t) => {
  const eight = (open: string, close: string) => `${open.repeat(7)}1${close.repeat(7)}`
  const rows: [yaml: string, value: unknown][] = [
    [`a: ${eight('[', ']')}`, { a: [[[[[[[1]]]]]]] }],
    [`a:\n${'- '.repeat(7)}1`, { a: [[[[[[[1]]]]]]] }],
    [
      Array.from({ length: 8 }, (_, n) => `${' '.repeat(n)}a:`).join('\n') + ' 1',
      { a: { a: { a: { a: { a: { a: { a: { a: 1 } } } } } } } },
    ],
    [`a: ${eight('{a: ', '}')}`, { a: { a: { a: { a: { a: { a: { a: { a: 1 } } } } } } } }],
    [
      'a:\n - b:\n    - c:\n       - d: {e: "x"} # so',
      { a: [{ b: [{ c: [{ d: { e: 'x' } }] }] }] },
    ],
  ]
  for (const [yaml, value] of rows)
    t.strictSame(readMarkdown(matter(yaml)).front_matter, value, yaml)
})

t.test('front matter with more than 500 nodes is refused', async (t) => {
  const list = (length: number) => matter(`a: [${Array(length).fill(1).join(',')}]`)
  t.strictSame(readMarkdown(list(400)).front_matter, { a: Array(400).fill(1) })
  t.throws(() => readMarkdown(list(500)), invalid)
})

t.test('deeply nested markdown is rendered', async (t) => {
  for (const text of [
    '> '.repeat(32_000),
    '- '.repeat(32_000),
    '*a '.repeat(20_000),
    '**'.repeat(32_000),
    '['.repeat(65_000),
    '[a]('.repeat(16_000),
    '`'.repeat(65_000),
    '<'.repeat(65_000),
    '&#'.repeat(32_000),
    '1. '.repeat(20_000),
    '|'.repeat(30_000) + '\n' + '|-'.repeat(15_000),
  ]) {
    t.type(toHtml(text), 'string', text.slice(0, 8))
  }
})

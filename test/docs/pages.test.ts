import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (page: string) => readFileSync(join(root, page), 'utf8')
const markdown = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join(folder, name))
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...markdown('docs'),
  ...markdown('examples'),
]

/** Without what stands in code blocks. */
const textOf = (page: string) => read(page).replaceAll(/^```[^]*?^```/gm, '')

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
const anchorsOf = (page: string) =>
  [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))

t.test('README is short', (t) => {
  const text = read('README.md')
  t.ok(text.split('\n').length - 1 <= 150, 'at most 150 lines')
  t.ok(Buffer.byteLength(text) <= 8_192, 'at most 8 KB')
  t.end()
})

t.test('no link leads nowhere', (t) => {
  let count = 0
  for (const page of pages) {
    for (const [, target = ''] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : relative(root, join(root, dirname(page), path))
      if (!existsSync(join(root, file))) t.fail(`${page}: ${target}`)
      else if (anchor !== undefined && !anchorsOf(file).includes(anchor)) {
        t.fail(`${page}: ${target} has no such heading`)
      }
      count += 1
    }
  }
  t.ok(count > 100, `${count} links`)
  t.end()
})

t.test('every test, benchmark or script that a page names is there', (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const page of pages.filter((name) => name !== 'CHANGELOG.md')) {
    for (const [, path = ''] of textOf(page).matchAll(/`((?:test|bench|examples)\/[^`\s]*)`/g)) {
      t.ok(existsSync(join(root, path)), `${page}: ${path}`)
    }
    for (const [, name = ''] of read(page).matchAll(/npm run ([a-z][a-z0-9:]*)/g)) {
      t.ok(name in scripts, `${page}: npm run ${name}`)
    }
  }
  t.end()
})

t.test('every page of docs is in an index', (t) => {
  for (const page of markdown('docs')) {
    const inDecisions = page.startsWith('docs/decisions/0')
    const index = read(inDecisions ? 'docs/decisions/README.md' : 'docs/README.md')
    const name = page.replace(inDecisions ? 'docs/decisions/' : 'docs/', '')
    if (page !== 'docs/README.md') t.ok(index.includes(`(${name})`), page)
  }
  t.end()
})

t.test('the map of the source is its folder', (t) => {
  const map = [...read('docs/architecture.md').matchAll(/^src\/(\S+) {2,}\S/gm)].map(
    ([, name]) => name,
  )
  t.strictSame(map.sort(), readdirSync(join(root, 'src')).sort())
  t.end()
})

import { readFileSync } from 'node:fs'
import t from 'tap'

t.test('the guide has at most 15 lines of glue, and they are those of the example', (t) => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const guide = read('docs/astro.md')
  /** The lines of code below a mark. */
  const glueOf = (mark: string) =>
    [...guide.matchAll(new RegExp(`^\`\`\`${mark}\\n([^]*?)^\`\`\``, 'gm'))].flatMap(
      ([, code = '']) => code.split('\n').filter((line) => line.trim() !== '' && line !== '---'),
    )
  const logout = glueOf('ts glue')
  const form = [...glueOf('js glue'), ...glueOf('astro glue'), ...logout]
  const hosted = [...glueOf('js hosted glue'), ...logout]
  t.ok(form.length > 12 && form.length <= 15, `a form: ${String(form.length)} lines`)
  t.ok(hosted.length > 6 && hosted.length <= 15, `hosted: ${String(hosted.length)} lines`)
  const pages = ['astro.config.mjs', 'src/pages/login.astro', 'src/pages/logout.ts']
  const code = pages.map((page) => read(`examples/astro/${page}`)).join('\n')
  for (const line of form.filter((each) => !each.includes('example.org')))
    t.ok(code.includes(line.trim().replace(' })],', '')), line)
  t.end()
})

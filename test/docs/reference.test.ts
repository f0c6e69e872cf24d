import { readFileSync } from 'node:fs'
import t from 'tap'
import { generated } from '../../scripts/docs/pages.js'
import type { Document } from '../../scripts/docs/routes.js'
import { testApp } from '../support/app.js'

t.test('the reference pages are what `npm run docs` writes', async (t) => {
  const { app } = await testApp(t)
  await app.ready()
  const pages = await generated(app.swagger() as unknown as Document)
  for (const [name, text] of Object.entries(pages)) {
    const written = readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
    t.equal(written, text, `${name}: run \`npm run docs\``)
  }
})

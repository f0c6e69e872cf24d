import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

type Results = { violations: { id: string; nodes: { html: string }[] }[] }

/** The rules of axe-core, with that of WCAG 2.5.8, that a page violates, each with the number of elements and the first one. */
export async function violationsOf(page: Page): Promise<[string, number, string | undefined][]> {
  await page.evaluate(axe)
  const { violations } = await page.evaluate<Results>(
    `axe.run({ rules: { 'target-size': { enabled: true } } })`,
  )
  return violations.map(({ id, nodes }) => [id, nodes.length, nodes[0]?.html])
}

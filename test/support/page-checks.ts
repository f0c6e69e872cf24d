import { mkdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { violationsOf } from './axe.js'

const screenshots = process.env.SCREENSHOTS
if (screenshots) mkdirSync(screenshots, { recursive: true })

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }

/** Checks a page as it is shown: axe finds nothing, all of it fits on the screen, and the focus ring covers no text. */
export async function checkPage(t: Test, page: Page, name: string): Promise<void> {
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })
  t.strictSame(await violationsOf(page), [], name)
  t.ok(await fits(page), `${name}: nothing is wider than the screen`)
  t.strictSame(await page.evaluate(coveredByFocus), [], `${name}: the focus ring covers no text`)
}

/** The same on a desktop and a phone, light and dark, without another request; and it fits at 400 % (WCAG 1.4.10). */
export async function checkEverywhere(t: Test, page: Page, name: string): Promise<void> {
  for (const [device, size] of Object.entries(sizes)) {
    await page.setViewportSize(size)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await checkPage(t, page, `${device}-${colorScheme}-${name}`)
    }
  }
  await page.setViewportSize({ width: 320, height: 256 })
  t.ok(await fits(page), `${name}: nothing is wider than 320 pixels`)
}

const fits = (page: Page) =>
  page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth')

/** The labels and hints that lie below the focus ring of a field. */
const coveredByFocus = `[...document.querySelectorAll('main input:not([type=hidden], [hidden])')].flatMap((field) => {
  field.focus()
  const { outlineWidth, outlineOffset } = getComputedStyle(field)
  const ring = parseFloat(outlineWidth) + parseFloat(outlineOffset)
  const { top, bottom } = field.getBoundingClientRect()
  return [...document.querySelectorAll('label, small')]
    .filter((text) => !text.contains(field))
    .filter((text) => {
      const box = text.getBoundingClientRect()
      return box.bottom > top - ring && box.top < bottom + ring
    })
    .map((text) => text.textContent)
})`

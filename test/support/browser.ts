import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'

export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Debian's Chromium, until the test ends. */
export async function openBrowser(t: Test, args: string[] = []): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', ...args] })
  t.teardown(() => browser.close())
  return browser
}

/** A visitor of their own; what the page's console or policy complains of is collected. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options)
  const page: Page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (line) => {
    // That a form was refused is what some of the tests are about.
    if (line.type() === 'error' && !/status of 4\d\d/.test(line.text()))
      complaints.push(line.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  return { page, context, complaints }
}

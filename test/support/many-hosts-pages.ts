import type { BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { ada } from './app.js'
import { openBrowser, openPage } from './browser.js'

const browserArgs = ['--test-third-party-cookie-phaseout']

/** A page of a Chromium that blocks third-party cookies and takes the certificate of the test. */
export async function openSecurePage(t: Test) {
  const browser = await openBrowser(t, browserArgs)
  return openPage(browser, { ignoreHTTPSErrors: true })
}

/** Fills in the login page of Gatehouse. */
export async function logIn(page: Page) {
  await page.getByLabel('E-mail address, username or mobile number').fill(ada.email)
  await page.getByLabel('Password').fill(ada.password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

export const cookiesOf = async (context: BrowserContext, origin: string) =>
  Object.fromEntries((await context.cookies(origin)).map(({ name, value }) => [name, value]))

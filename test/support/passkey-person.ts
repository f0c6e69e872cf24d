import type { Browser, BrowserContextOptions } from 'playwright-core'
import type { Test } from 'tap'
import { ada, signUp, testApp } from './app.js'
import { openPage } from './browser.js'
import { freePort } from './server-process.js'
import { virtualAuthenticator, type Setting } from './virtual-authenticator.js'

export const internal: Setting = {
  transport: 'internal',
  hasResidentKey: true,
  hasUserVerification: true,
}

type Options = {
  setting?: Setting
  shape?: BrowserContextOptions
  env?: Record<string, string> | ((origin: string) => Promise<Record<string, string>>)
  /** Whether the browser offers passkeys in the username field. A virtual authenticator takes each offer at once. */
  hasOffers?: boolean
}

const noOffers = 'PublicKeyCredential.isConditionalMediationAvailable = async () => false'

/** A person with an account, in a browser with an authenticator, at a service on localhost. */
export async function passkeyPerson(t: Test, browser: Browser, options: Options = {}) {
  const { setting = internal, shape = {}, env = {}, hasOffers = false } = options
  const port = await freePort()
  const origin = `http://localhost:${String(port)}`
  const more = typeof env === 'function' ? await env(origin) : env
  const service = await testApp(t, { env: { PUBLIC_URL: origin, ...more } })
  await service.app.listen({ host: '127.0.0.1', port })
  await signUp(service.app)
  const { page, context, complaints } = await openPage(browser, shape)
  t.teardown(() => context.close())
  if (!hasOffers) await context.addInitScript(noOffers)
  const authenticator = await virtualAuthenticator(page, setting)
  const press = (name: string) =>
    page.locator('main').getByRole('button', { name, exact: true }).click()
  const open = (to: string) => page.goto(origin + to)
  const until = (to: string) => page.waitForURL(origin + to)

  return {
    ...{ ...service, origin, page, context, complaints, authenticator, press, open, until },
    status: () => page.locator('[role=status]').innerText(),
    alert: () => page.locator('[role=alert]:visible').innerText(),
    path: () => new URL(page.url()).pathname,

    async fillPassword(password = ada.password) {
      await page.getByLabel('E-mail address, username or mobile number').fill(ada.email)
      await page.getByLabel('Password').fill(password)
      await press('Log in')
    },

    async addPasskey() {
      await open('/account/passkeys')
      await press('Add a passkey')
      await press('Make the passkey')
      await until('/account/passkeys')
    },

    async logOut() {
      await open('/')
      await page.getByRole('link', { name: 'Log out' }).click()
      await page.getByText('You have logged out.').waitFor()
    },
  }
}

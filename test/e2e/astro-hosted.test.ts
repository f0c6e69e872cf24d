import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { ada, signUp, testApp } from '../support/app.js'
import { startAstro } from '../support/astro-site.js'
import { openBrowser, openPage } from '../support/browser.js'
import { codeOf } from '../support/factors.js'
import { addApp } from '../support/oauth.js'
import { freePort } from '../support/server-process.js'
import { openidProvider } from '../support/social/openid-provider.js'

// The address of Ada is that of the provider, whose login takes the account over.
const bob = { ...ada, email: 'bob@example.org' }

/** Gatehouse, an OpenID provider that it knows, and a client of Gatehouse for a site. */
async function startGatehouse(t: Test, site: string, more: Record<string, string> = {}) {
  const origin = `http://localhost:${String(await freePort())}`
  const { env } = await openidProvider(t, origin)
  const service = await testApp(t, { env: { PUBLIC_URL: origin, ...env, ...more } })
  const calls: string[] = []
  service.app.server.on('request', ({ method = '', url = '' }) => {
    if (!url.startsWith('/.well-known/')) calls.push(`${method} ${url}`)
  })
  await service.app.listen({ host: 'localhost', port: Number(new URL(origin).port) })
  const redirect_uris = [`${site}/login/callback`]
  const { client_id, client_secret = '' } = await addApp(service, 'shop', { redirect_uris })
  const forSite = { GATEHOUSE_URL: origin, GATEHOUSE_CLIENT_SECRET: client_secret }
  return { ...service, origin, calls, client_id, forSite }
}

const press = (page: Page, button: string | RegExp) =>
  page.getByRole('button', { name: button }).click()

/** Less than the test may take in all. */
const timeout = 20_000

async function logInAtGatehouse(page: Page, user = bob) {
  await page.getByLabel('E-mail address, username or mobile number').fill(user.email)
  await page.getByLabel('Password').fill(user.password)
  await press(page, /^Log in$/)
}

t.test('the example logs in by a provider and by the hosted pages', async (t) => {
  const port = String(await freePort())
  const site = `http://localhost:${port}`
  const { app, origin, calls, client_id, forSite } = await startGatehouse(t, site)
  await signUp(app, bob)
  const env = { ...forSite, CLIENT_ID: client_id, PROVIDERS: 'oidc' }
  await startAstro(t, { site, port, env })
  const browser = await openBrowser(t)
  const { page, context, complaints } = await openPage(browser)
  page.setDefaultTimeout(timeout)
  const names = async () => (await context.cookies()).map(({ name }) => name)

  await t.test('a provider leads back to the page that was asked for', async (t) => {
    await page.goto(`${site}/app/sessions`)
    await page.getByRole('link', { name: 'Log in with oidc' }).click()
    await press(page, 'Ada')
    await page.waitForURL(`${site}/app/sessions`)
    t.match(await page.locator('main').innerText(), 'This browser')
    t.notMatch(await page.content(), /eyJ/)
    t.equal(await page.evaluate('document.cookie'), '', 'no script reads a cookie')
    t.ok((await names()).includes('shop_session'))
  })

  await t.test('the site renews its session once for ten requests', async (t) => {
    await context.clearCookies({ name: 'shop_session' })
    calls.length = 0
    const statuses = await page.evaluate<number[]>(`Promise.all(Array.from({ length: 10 }, () =>
      fetch('/app', { headers: { accept: 'text/html' } }).then(({ status, redirected }) => redirected ? 0 : status)))`)
    t.strictSame(new Set(statuses), new Set([200]))
    t.strictSame(calls, ['POST /oauth/token'])
  })

  await t.test('a logout ends the login at Gatehouse too', async (t) => {
    await page.goto(`${site}/app`)
    await press(page, 'Log out')
    await page.waitForURL(`${site}/`)
    t.notOk((await names()).includes('shop_session'))
    await page.goto(`${origin}/welcome`)
    t.match(page.url(), `${origin}/login`)
  })

  await t.test('the pages of Gatehouse take the password', async () => {
    await page.goto(`${site}/login?next=/app`)
    await page.getByRole('link', { name: 'Log in with Gatehouse' }).click()
    await logInAtGatehouse(page)
    await page.waitForURL(`${site}/app`)
  })

  await t.test('a code from another browser logs nobody in', async (t) => {
    await context.clearCookies({ name: /^shop_(session|refresh)$/ })
    const leave = async (url: string) =>
      (await context.request.get(url, { maxRedirects: 0 })).headers().location ?? ''
    const back = await leave(await leave(`${site}/login/hosted?next=/app`))
    t.match(back, `${site}/login/callback?code=`)
    const other = await openPage(browser)
    await other.page.goto(`${site}/login/hosted`)
    const refused = await other.page.goto(back)
    t.equal(refused?.status(), 400)
    t.match(await other.page.locator('[role=alert]').innerText(), /did not start in this browser/)
    await other.page.getByRole('link', { name: 'Start again' }).click()
    t.match(other.page.url(), `${origin}/login`)
    await page.goto(back)
    t.equal(page.url(), `${site}/app`, 'it was still good for the browser that began')
  })

  await t.test('the form of the site logs in beside it', async (t) => {
    await press(page, 'Sign out everywhere')
    await page.goto(`${site}/login?next=/app`)
    await page.getByLabel('E-mail address').fill(bob.email)
    await page.getByLabel('Password').fill(bob.password)
    await press(page, /^Log in$/)
    await page.waitForURL(`${site}/app`)
    await context.clearCookies({ name: 'shop_session' })
    await page.goto(`${site}/app`)
    t.equal(page.url(), `${site}/app`, 'and its session is renewed')
  })

  t.strictSame(complaints, [])
})

/** The configuration that the guide has, for this site. */
function guided(port: string): string {
  const guide = readFileSync(new URL('../../docs/astro.md', import.meta.url), 'utf8')
  const [, glue = ''] = /^```js hosted glue\n([^]*?)^```/m.exec(guide) ?? []
  const [use = '', ...options] = glue
    .replace(
      "protocol: 'https', hostname: 'example.org'",
      `hostname: '*.localhost', port: '${port}'`,
    )
    .split('\n')
  return `import node from '@astrojs/node'
import { defineConfig } from 'astro/config'
${use}
export default defineConfig({
  output: 'server',
  adapter: node({ mode: 'standalone' }),
${options.join('\n')}
})
`
}

for (const command of ['build', 'dev']) {
  t.test(`astro ${command}: the guide logs in without a script`, async (t) => {
    const port = String(await freePort())
    const site = `http://shop.localhost:${port}`
    const { origin, forSite } = await startGatehouse(t, site, { MFA: 'required' })
    await startAstro(t, {
      ...{ site, port, isDevelopment: command === 'dev', env: forSite },
      changes: [
        { file: 'astro.config.mjs', change: () => guided(port) },
        { file: 'src/pages/login.astro', change: () => undefined },
      ],
    })
    const { page, context, complaints } = await openPage(await openBrowser(t), {
      javaScriptEnabled: false,
      viewport: { width: 390, height: 844 },
    })
    page.setDefaultTimeout(timeout)

    await page.goto(`${site}/app?x=1`)
    t.match(page.url(), `${origin}/login?next=`, 'the login page is that of Gatehouse')
    await page.getByRole('link', { name: 'Register' }).last().click()
    await page.getByLabel('E-mail address').fill(ada.email)
    await page.getByLabel('Password').fill(ada.password)
    await press(page, 'Register')
    await logInAtGatehouse(page, ada)
    await press(page, 'Continue')
    const key = await page.locator('code').first().innerText()
    await page.getByRole('textbox', { name: 'Code' }).fill(codeOf(key.replaceAll(' ', '')))
    await press(page, /^Log in$/)
    await page.getByRole('link', { name: 'Continue' }).click()
    await page.waitForURL(`${site}/app?x=1`)
    t.match(await page.locator('main').innerText(), 'You are logged in')
    const cookies = await context.cookies(site)
    t.strictSame(cookies.map(({ name }) => name).sort(), [
      'shop_login',
      'shop_refresh',
      'shop_session',
    ])
    t.ok(cookies.every(({ httpOnly, sameSite }) => httpOnly && sameSite === 'Lax'))

    await press(page, 'Log out')
    await page.waitForURL(`${site}/`)
    await page.goto(`${site}/app`)
    t.match(page.url(), `${origin}/login?next=`)
    t.strictSame(complaints, [])
  })
}

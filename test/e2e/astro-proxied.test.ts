import t from 'tap'
import type { Page } from 'playwright-core'
import { ada, bearer, logIn, signUp } from '../support/app.js'
import { astroBehindProxies, proxies } from '../support/astro-proxied.js'
import { openBrowser, openPage } from '../support/browser.js'
import { send } from '../support/many-hosts.js'
import { until } from '../support/until.js'

const press = (page: Page, button: string | RegExp) =>
  page.getByRole('button', { name: button }).click()

async function fill(page: Page, name: string) {
  await page.getByLabel(name).fill(ada.email)
  await page.getByLabel('Password').fill(ada.password)
  await press(page, /^Log in$/)
}

const form = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' }

t.test('an Astro site below a path, with Gatehouse on another host', async (t) => {
  const { app, sql, origin, site, auth, startProxy } = await astroBehindProxies(t)
  await signUp(app)
  const browser = await openBrowser(t)

  for (const proxy of proxies) {
    await t.test(proxy, async (t) => {
      await startProxy(t, proxy)
      const { page, context, complaints } = await openPage(browser, { ignoreHTTPSErrors: true })
      page.setDefaultTimeout(20_000)

      await t.test('the hosted pages lead back below the path', async (t) => {
        await page.goto(`${site}/app`)
        t.equal(page.url(), `${site}/login?next=%2Fshop%2Fapp`)
        await page.getByRole('link', { name: 'Log in with Gatehouse' }).click()
        t.match(page.url(), `${auth}/login?next=`)
        await fill(page, 'E-mail address, username or mobile number')
        await page.waitForURL(`${site}/app`)
        t.match(await page.locator('main').innerText(), 'You are logged in')
      })

      await t.test('cookies are for this host alone, and go on after a renewal', async (t) => {
        const cookies = await context.cookies(site)
        t.strictSame(cookies.map(({ name }) => name).sort(), [
          '__Host-shop_login',
          '__Host-shop_refresh',
          '__Host-shop_session',
        ])
        t.ok(
          cookies.every(
            ({ httpOnly, secure, sameSite, path }) =>
              httpOnly && secure && sameSite === 'Lax' && path === '/',
          ),
        )
        await context.clearCookies({ name: '__Host-shop_session' })
        await page.goto(`${site}/app/sessions`)
        t.match(await page.locator('main').innerText(), 'This browser')
      })

      await t.test('the server island and the links are below the path', async (t) => {
        await page.goto(`${site}/`)
        const greeting = page.getByText('Hello').filter({ hasNotText: '…' })
        await greeting.waitFor()
        t.notMatch(await greeting.innerText(), 'stranger')
        await page.getByRole('link', { name: 'Account' }).click()
        t.equal(page.url(), `${site}/app`)
      })

      await t.test('forms and files come through', async (t) => {
        const buffer = Buffer.from('# I am Ada')
        const readme = { name: 'README.md', mimeType: 'text/markdown', buffer }
        await page.getByLabel('README', { exact: true }).setInputFiles(readme)
        await press(page, 'Upload')
        await page.waitForURL(`${site}/app?uploaded`)
        await press(page, 'Log out')
        await page.waitForURL(`${site}/`)
        await page.goto(`${auth}/welcome`)
        t.match(page.url(), `${auth}/login`, 'the login at Gatehouse has ended too')
      })

      await t.test('the form of the site logs in, and a logout elsewhere counts', async () => {
        await page.goto(`${site}/login?next=/shop/app`)
        await fill(page, 'E-mail address')
        await page.waitForURL(`${site}/app`)
        const { access_token } = await logIn(app)
        const all = {
          method: 'DELETE',
          url: '/api/sessions',
          headers: bearer(access_token),
        } as const
        await app.inject(all)
        await until(async () => {
          await page.goto(`${site}/app`)
          return page.url().startsWith(`${site}/login`)
        }, 'the site to refuse the session')
      })

      await t.test('another site cannot post, and no header moves the site', async (t) => {
        const body = 'identifier=ada%40example.org&password=correct+horse+battery'
        const post = (headers: Record<string, string>) =>
          send(origin, '/shop/login', {
            ...{ method: 'POST', body },
            headers: { ...form, ...headers },
          })
        t.equal((await post({ origin: 'https://evil.example' })).status, 403)
        t.equal((await post({})).status, 403)
        const forged = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }
        t.equal((await post({ ...forged, origin: 'https://evil.example' })).status, 403)
        const { status, headers } = await send(origin, '/shop/login/hosted', { headers: forged })
        t.equal(status, 303)
        const { searchParams } = new URL(String(headers.location))
        t.equal(searchParams.get('redirect_uri'), `${site}/login/callback`)
        t.match(String(headers['set-cookie']), /__Host-shop_login=.*Secure/)
      })

      await t.test('Gatehouse learns the address of the browser', async (t) => {
        const body = 'identifier=ada%40example.org&password=correct+horse+battery'
        const headers = { ...form, origin, 'x-forwarded-for': '203.0.113.9' }
        const from = '127.0.0.7'
        await sql('delete from sessions')
        const answer = await send(origin, '/shop/login', { method: 'POST', body, headers, from })
        t.equal(answer.status, 303)
        t.strictSame(await sql('select address from sessions'), [{ address: from }])
      })

      t.strictSame(complaints, [])
      await context.close()
    })
  }
})

import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { navigation } from '../support/app-hosts.js'
import { identity } from '../support/echo-app.js'
import { codeOf } from '../support/factors.js'
import { behindManyHosts, send } from '../support/many-hosts.js'
import { logInTo } from '../support/many-hosts-login.js'
import { logIn, openSecurePage } from '../support/many-hosts-pages.js'
import { checkEverywhere } from '../support/page-checks.js'

for (const proxy of ['nginx', 'caddy', 'haproxy'] as const) {
  t.test(`${proxy}: one of the apps needs a second factor`, async (t) => {
    const { origins, apps, sql } = await behindManyHosts(t, proxy, {}, { needsFactor: true })
    const { auth, app1, app2, app3 } = origins
    const seen = apps[1]!.seen
    const { page } = await openSecurePage(t)
    const { page: phone } = await openSecurePage(t)
    const titleOf = (of: Page) => of.getByRole('heading', { level: 1 }).textContent()
    let key = ''

    /** A code that was not used yet. */
    const giveCode = async (of: Page, { trust = false } = {}) => {
      await of.getByRole('textbox', { name: 'Code' }).waitFor()
      await sql('update totp_factors set last_step = 0')
      await of.getByRole('textbox', { name: 'Code' }).fill(codeOf(key))
      if (trust) await of.getByLabel('Do not ask on this device').check()
      await of.getByRole('button', { name: 'Log in', exact: true }).click()
    }

    await t.test('a user without one is led to the page that adds it', async (t) => {
      for (const from of [page, phone]) {
        await from.goto(`${app1}/`)
        await logIn(from)
        await from.waitForURL(`${app1}/`)
      }
      await page.goto(`${app2}/x?a=1`)
      t.equal(new URL(page.url()).origin, auth, 'the other apps need none')
      await logIn(page)
      await page.waitForURL(`${app2}/forward-auth/callback?**`)
      t.match(await page.textContent('main'), 'second factor')
      await checkEverywhere(t, page, `missing-factor-${proxy}`)
      await page.getByRole('link', { name: 'Add an authenticator app' }).click()
      await page.waitForURL(`${auth}/second-factor`)
      await page.getByRole('button', { name: 'Add an authenticator app' }).click()
      key = (await page.locator('code').first().textContent()) ?? ''
      await page.getByRole('textbox', { name: 'Code' }).fill(codeOf(key))
      await page.getByRole('button', { name: 'Confirm' }).click()
      t.equal(await page.locator('li code').count(), 10)
      t.strictSame(seen, [], 'the app was asked nothing')
    })

    await t.test('with the factor that was just given no other prompt is needed', async (t) => {
      await page.goto(`${app2}/x?a=1`)
      t.equal(page.url(), `${app2}/x?a=1`)
      t.match(identity(seen.at(-1)!), { groups: 'user' })
    })

    await t.test('a login from before the factor gives the code, and lands there', async (t) => {
      await phone.goto(`${app2}/y`)
      await logIn(phone)
      t.equal(await titleOf(phone), 'Confirm your login')
      t.equal(seen.filter(({ url }) => url === '/y').length, 0)
      await giveCode(phone, { trust: true })
      await phone.waitForURL(`${app2}/y`)
      t.equal(seen.filter(({ url }) => url === '/y').length, 1)
    })

    await t.test('so does a login on a trusted device, which the other apps take', async (t) => {
      await phone.goto(`${auth}/logout`)
      await phone.getByRole('button', { name: 'Log out' }).click()
      await phone.goto(`${app1}/`)
      await logIn(phone)
      await phone.waitForURL(`${app1}/`)
      await phone.goto(`${app3}/z`)
      t.equal(phone.url(), `${app3}/z`)
      await phone.goto(`${app2}/z`)
      await logIn(phone)
      await giveCode(phone)
      await phone.waitForURL(`${app2}/z`)
      const post = () => fetch('/form', { method: 'POST', body: 'x' }).then(({ status }) => status)
      t.equal(await phone.evaluate(post), 200)
      await phone.goto(`${app1}/`)
      t.equal(phone.url(), `${app1}/`)
    })
  })

  t.test(`${proxy}: a cookie that is renewed goes along to the login`, async (t) => {
    const short = { ACCESS_TOKEN_TTL: '5s' }
    const { origins } = await behindManyHosts(t, proxy, short, { needsFactor: true })
    const { auth, app2 } = origins
    const cookie = await logInTo(app2, auth)
    await sleep(6_000)
    const { status, headers } = await send(app2, '/x', { headers: { ...navigation, cookie } })
    t.equal(status, 302)
    t.match(
      headers.location,
      /^https:..app2.acme.localhost:\d+.forward-auth.login.*&acr_values=mfa$/,
    )
    const renewed = String(headers['set-cookie']).split(';')[0] ?? ''
    t.match(renewed, /^__Host-gatehouse=.{100}/)
    t.not(renewed, cookie)
    t.match(headers['cache-control'], 'no-store')
  })
}

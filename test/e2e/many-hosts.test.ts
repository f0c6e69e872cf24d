import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ada } from '../support/app.js'
import { identity } from '../support/echo-app.js'
import { openFirefox } from '../support/firefox.js'
import { behindManyHosts, send, type Proxy } from '../support/many-hosts.js'
import { cookiesOf, logIn, openSecurePage } from '../support/many-hosts-pages.js'
import { withShortTokens } from '../support/many-hosts-tokens.js'

const proxies: Proxy[] = ['nginx', 'caddy', 'haproxy']
const headerOf = (cookies: Record<string, string>) =>
  Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')

for (const proxy of proxies) {
  t.test(`${proxy}: one login for four hosts, and one logout`, async (t) => {
    const { origins, servers, apps } = await behindManyHosts(t, proxy)
    const { auth, app1, app2, app3 } = origins
    const { page, context } = await openSecurePage(t)

    await page.goto(`${app1}/page?a=1&b=2%203`)
    t.equal(new URL(page.url()).origin, auth)
    await logIn(page)
    await page.waitForURL(`${app1}/page?a=1&b=2%203`)
    t.ok(apps[0]!.seen.some(({ url }) => url === '/page?a=1&b=2%203'))
    for (const [origin, app] of [
      [app2, apps[1]],
      [app3, apps[2]],
    ] as const) {
      await page.goto(`${origin}/x`)
      t.equal(page.url(), `${origin}/x`, 'no other prompt')
      t.match(identity(app!.seen.at(-1)!), { groups: 'user' })
    }
    for (const origin of [app1, app2, app3]) {
      const cookies = await context.cookies(origin)
      t.strictSame(cookies.map(({ name }) => name).sort(), [
        '__Host-gatehouse',
        '__Host-gatehouse_login',
      ])
      t.ok(
        cookies.every(({ httpOnly, secure, sameSite }) => httpOnly && secure && sameSite === 'Lax'),
      )
    }
    for (const { seen } of apps)
      t.notMatch(JSON.stringify(seen), 'gatehouse', 'no app saw a cookie of Gatehouse')

    await t.test('the cookie of a host is worth nothing elsewhere', async (t) => {
      const cookie = headerOf(await cookiesOf(context, app1))
      const ask = async (origin: string, path: string, headers: Record<string, string>) =>
        (await send(origin, path, { headers })).status
      t.equal(await ask(app1, '/', { cookie }), 200)
      t.equal(await ask(app2, '/', { cookie }), 401)
      t.equal(await ask(app3, '/', { cookie }), 401)
      t.equal(await ask(auth, '/api/user', { cookie }), 401)
      const token = (await cookiesOf(context, app1))['__Host-gatehouse']!
      const authorization = `Bearer ${token}`
      for (const origin of [app1, app2, app3])
        t.equal(await ask(origin, '/', { authorization }), 401)
      t.equal(await ask(auth, '/api/user', { authorization }), 401)
      const host = new URL(app1).host
      const forged = { cookie, 'x-forwarded-host': host, 'x-forwarded-for': '192.0.2.1' }
      t.equal(await ask(app2, '/', forged), 401, 'a spoofed host')
      t.equal(await ask(app2, '/', { 'remote-user': 'admin', 'remote-groups': 'admin' }), 401)
      const spoofed = { cookie, 'remote-user': 'admin', 'remote-groups': 'admin' }
      t.equal(await ask(app1, '/spoofed', spoofed), 200)
      t.match(identity(apps[0]!.seen.at(-1)!), { groups: 'user' })
      t.equal(await ask(app1, '/Admin', { cookie }), 403)
      t.equal(await ask(app1, '/x/..;/admin', { cookie }), 400)
    })

    await t.test('other cookies reach the app, also those named as on a single host', async (t) => {
      const own = headerOf(await cookiesOf(context, app1))
      /** The header with which the app gets the cookies of a browser. */
      const left = async (cookie: string) => {
        t.equal((await send(app1, '/', { headers: { cookie } })).status, 200, cookie)
        return apps[0]!.seen.at(-1)?.headers.cookie
      }
      const cookie = `a=1; ${own}; session=flask; b=2`
      t.equal(await left(cookie), 'a=1; session=flask; b=2')
      t.equal(await left(own), undefined, 'no header without a cookie in it')
      t.equal(await left(`a=1; ${own}`), 'a=1')
      t.equal(await left(`${own}; a=1`), 'a=1')
      const twice = `${cookie}; __Host-gatehouse=x; gatehouse=y; gatehouse_login=z`
      await send(app1, '/', { headers: { cookie: twice } })
      t.notMatch(JSON.stringify(apps[0]!.seen.at(-1)), 'gatehouse')
    })

    await t.test('a logout on one host is one on all of them', async (t) => {
      const held = await Promise.all(
        [app1, app2, app3].map(async (origin) => [
          origin,
          headerOf(await cookiesOf(context, origin)),
        ]),
      )
      const link = `${app3}/forward-auth/logout`
      await page.setContent(`<a href="${link}">Leave</a>`)
      await page.getByRole('link', { name: 'Leave' }).click()
      await page.waitForURL(`${auth}/`)
      const end = Date.now() + 1_000
      /** Every instance, as the proxy asks it. */
      const accepted = async () => {
        const asked = servers.flatMap((server) =>
          held.map(async ([origin = '', cookie = '']) => {
            const headers = {
              ...{ cookie, 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' },
              'x-forwarded-host': new URL(origin).host,
            }
            return (await fetch(`${server.origin}/forward-auth`, { headers })).status
          }),
        )
        return (await Promise.all(asked)).filter((status) => status !== 401)
      }
      while (Date.now() < end && (await accepted()).length > 0) await sleep(20)
      t.strictSame(await accepted(), [], 'within a second, on each of three instances')
      for (const origin of [app1, app2, app3]) {
        await page.goto(`${origin}/x`)
        t.equal(new URL(page.url()).origin, auth, 'the user has to log in')
      }
    })
  })

  t.test(`${proxy}: the same in Firefox`, async (t) => {
    const { origins, apps } = await behindManyHosts(t, proxy)
    const { auth, app1, app2, app3 } = origins
    const firefox = await openFirefox(t)
    t.match(await firefox.goTo(`${app1}/page?a=1`), `${auth}/login?next=`)
    const values = JSON.stringify([ada.email, ada.password])
    await firefox.evaluate(`{
      const [form] = document.forms
      ;[form.username.value, form.password.value] = ${values}
      form.requestSubmit()
    }`)
    await firefox.untilAt(`${app1}/page?a=1`)
    for (const origin of [app2, app3])
      t.equal(await firefox.goTo(`${origin}/x`), `${origin}/x`, 'no other prompt')
    for (const { seen } of apps) {
      t.match(identity(seen.at(-1)!), { groups: 'user' })
      t.notMatch(JSON.stringify(seen), 'gatehouse')
    }
    const posted = `fetch('/x', { method: 'POST', body: 'x' }).then(({ status }) => status)`
    t.equal(await firefox.evaluate(posted), 200)
    await firefox.evaluate(`{
      const link = document.createElement('a')
      link.href = '/forward-auth/logout'
      document.body.append(link)
      link.click()
    }`)
    await firefox.untilAt(`${auth}/`)
    for (const origin of [app1, app2, app3])
      t.match(await firefox.goTo(`${origin}/x`), `${auth}/login?next=`, 'the user has to log in')
  })

  t.test(`${proxy}: the session goes on for pages, forms and scripts`, async (t) => {
    const { page, app1, token, comesThrough } = await withShortTokens(t, proxy)
    const last = await comesThrough(t, 6)
    await sleep(6_000)
    await page.goto(`${app1}/page`)
    t.equal(page.url(), `${app1}/page`, 'a page renews it without a redirect')
    t.not(await token(), last)
  })
}

import t from 'tap'
import { openBrowser, openPage } from '../support/browser.js'
import { ada, behind } from '../support/proxies.js'

for (const name of ['nginx', 'caddy', 'haproxy', 'apache'] as const) {
  t.test(name, async (t) => {
    const { origin, ask, isAda } = await behind(t, name)

    await t.test('a browser without a script logs in, comes back, and stays in', async (t) => {
      const { page, context } = await openPage(await openBrowser(t), { javaScriptEnabled: false })
      const wanted = `${origin}/app/page?a=1&b=2%203`
      await page.goto(wanted)
      t.equal(new URL(page.url()).pathname, '/login')
      await page.getByLabel('E-mail address, username or mobile number').fill(ada.email)
      await page.getByLabel('Password').fill(ada.password)
      await page.getByRole('button', { name: 'Log in', exact: true }).click()
      t.equal(page.url(), wanted)
      t.equal(await page.locator('h1').innerText(), isAda.name)

      const session = async () =>
        (await context.cookies()).find((cookie) => cookie.name === 'session')?.value
      const first = await session()
      await context.clearCookies({ name: 'session' })
      await page.goto(wanted)
      t.equal(page.url(), wanted, 'the access token ran out')
      t.equal(await page.locator('h1').innerText(), isAda.name)
      t.not(await session(), first)

      await page.goto(`${origin}/app/admin`)
      t.equal(page.url(), `${origin}/app/admin`)
      t.match(await page.content(), /403|forbidden/i, 'who is logged in is not sent to log in')
      await page.goto(`${origin}/logout`)
      t.match(await page.content(), 'Do you want to log out?', 'an address that is typed only asks')
      await page.goto(origin)
      await page.getByRole('link', { name: 'Log out' }).click()
      t.match(await page.content(), 'You have logged out.', 'and the link of a page does it')
      await page.goto(wanted)
      t.equal(new URL(page.url()).pathname, '/login')
    })

    await t.test('a browser is not sent to log in but for what it can come back to', async (t) => {
      const html = 'Accept: text/html,application/xhtml+xml,*/*;q=0.8'
      const there = await ask('/app/x?y=1&z', [html])
      t.equal(there.status, 302)
      const next = encodeURIComponent('/app/x?y=1&z')
      t.equal(there.headers.location, `${origin}/login?next=${next}`)
      t.equal((await ask('/app/x', [html], { method: 'POST', body: 'a=b' })).status, 401)
      t.equal((await ask('/app/x', [html, 'Authorization: Bearer x.y.z'])).status, 401)
      t.equal((await ask('/app/x', ['Accept: application/json'])).status, 401)
      for (const spoof of [
        'X-Forwarded-Host: evil.example',
        'X-Forwarded-Uri: //evil.example',
        'X-Forwarded-Method: POST',
        'X-Original-Method: POST',
        'X-Forwarded-Proto: javascript',
      ]) {
        t.equal(
          (await ask('/app/x?y=1&z', [html, spoof])).headers.location,
          there.headers.location,
          spoof,
        )
      }
    })
  })
}

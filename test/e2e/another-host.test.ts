import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { ada, signUp, testApp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'
import { addApp } from '../support/oauth.js'
import { freePort } from '../support/server-process.js'

const example = new URL('../../examples/another-host/app.js', import.meta.url).pathname

t.test('a site on another host logs its users in and out, in a browser', async (t) => {
  const origin = `http://localhost:${String(await freePort())}`
  const service = await testApp(t, { env: { PUBLIC_URL: origin } })
  await service.app.listen({ host: 'localhost', port: Number(new URL(origin).port) })
  await signUp(service.app)

  /** The site of the documentation, as a process of its own. */
  const startSite = async (name: string) => {
    const home = `http://${name}.localhost:${String(await freePort())}`
    const client = await addApp(service, name, { redirect_uris: [`${home}/callback`] })
    const env = { ...process.env, ...client, GATEHOUSE: origin, APP: home }
    const site = spawn(process.execPath, [example], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => site.kill())
    const exit = once(site, 'exit').then(() => Promise.reject(new Error('the site did not start')))
    await Promise.race([once(site.stdout, 'data'), exit])
    return home
  }
  const [shop, blog] = [await startSite('shop'), await startSite('blog')]
  const browser = await openBrowser(t)
  const { page, context, complaints } = await openPage(browser)

  await page.goto(`${shop}/account`)
  t.match(page.url(), `${origin}/login?next=`)
  const logIn = async (password: string) => {
    await page.getByLabel('E-mail address, username or mobile number').fill(ada.email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
  }
  await logIn('wrong horse battery')
  t.equal(await page.locator('[role=alert]').innerText(), 'Invalid credentials.')
  await logIn(ada.password)
  await page.waitForURL(`${shop}/account`)
  t.match(await page.locator('body').innerText(), ada.email)

  await page.goto(`${blog}/account`)
  t.equal(page.url(), `${blog}/account`, 'the second site asks nothing')
  t.match(await page.locator('body').innerText(), ada.email)
  const names = async (url: string) => (await context.cookies(url)).map(({ name }) => name).sort()
  t.strictSame(await names(shop), ['shop'])
  t.strictSame(await names(origin), ['device', 'refresh', 'session'])

  // Another browser has no cookie of this login, so it cannot be logged in to this account.
  const code = new URL(`${shop}/callback?code=x&state=x&iss=${encodeURIComponent(origin)}`)
  const other = await openPage(browser)
  const foreign = await other.page.goto(code.href)
  t.equal(foreign?.status(), 400)

  await page.goto(`${origin}/logout`)
  await page.getByRole('button', { name: 'Log out' }).click()
  for (const site of [shop, blog]) {
    await page.goto(`${site}/account`)
    t.match(page.url(), `${origin}/login?next=`, 'both sites are logged out')
  }

  await page.getByRole('link', { name: 'Register' }).last().click()
  await page.getByLabel('E-mail address').fill('bob@example.org')
  await page.getByLabel('Password').fill(ada.password)
  await page.getByRole('button', { name: 'Register' }).click()
  await page.waitForURL(`${blog}/account`)
  t.match(await page.locator('body').innerText(), 'bob@example.org', 'a new user comes back too')
  t.strictSame(complaints, [])
})

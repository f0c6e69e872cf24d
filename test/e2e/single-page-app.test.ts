import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { ada, signUp, testApp, type TestApp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'
import { enrolled } from '../support/factors.js'
import { addApp } from '../support/oauth.js'
import { freePort } from '../support/server-process.js'

const serve = new URL('../../examples/spa/serve.js', import.meta.url).pathname

type Register = (service: TestApp, site: string) => Promise<object>

/** Gatehouse on `localhost`, and the app on a port of another host name, each as the documentation starts it. */
async function start(t: Test, host = 'localhost', register?: Register) {
  const origin = `http://localhost:${String(await freePort())}`
  const port = String(await freePort())
  const site = `http://${host}:${port}`
  const service = await testApp(t, { env: { PUBLIC_URL: origin, CORS_ORIGINS: site } })
  await service.app.listen({ host: 'localhost', port: Number(new URL(origin).port) })
  const env = {
    ...process.env,
    ...(await register?.(service, site)),
    GATEHOUSE: origin,
    PORT: port,
  }
  const server = spawn(process.execPath, [serve], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.kill())
  const exit = once(server, 'exit').then(() => Promise.reject(new Error('no server')))
  await Promise.race([once(server.stdout, 'data'), exit])
  return { ...service, origin, site }
}

async function logIn(page: Page, email: string, password: string) {
  await page.getByLabel('E-mail address').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

t.test('a single-page app of another origin logs its users in and out', async (t) => {
  const { app, origin, site } = await start(t)
  await signUp(app)
  const browser = await openBrowser(t)
  const { page, context, complaints } = await openPage(browser)
  const refreshes: string[] = []
  context.on('request', (request) => {
    if (request.url() === `${origin}/api/refresh`) refreshes.push(request.method())
  })
  await page.goto(site)
  await logIn(page, ada.email, 'wrong horse battery')
  t.equal(await page.getByText('Invalid credentials').innerText(), 'Invalid credentials')
  await logIn(page, ada.email, ada.password)
  await page.getByText(`You are logged in as ${ada.email}`).waitFor()
  t.equal(await page.locator('[role=alert]').isVisible(), false)

  const stores = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'
  t.equal(await page.evaluate(stores), '[{},{},""]')
  t.notMatch(await page.content(), /eyJ/)

  refreshes.length = 0
  await page.reload()
  await page.getByText(`You are logged in as ${ada.email}`).waitFor()
  t.strictSame(refreshes, ['POST'], 'a reload costs one refresh')

  const other = await context.newPage()
  await other.goto(site)
  await other.getByRole('button', { name: 'Log out' }).click()
  await other.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  t.equal(await page.locator('#account').isVisible(), false, 'each tab is logged out')

  for (const path of ['/serve.js', '/client/../../../package.json', '/README.md'])
    t.equal((await fetch(site + path)).status, 404, path)
  t.strictSame(complaints, [])
})

t.test('a single-page app asks for the second factor', async (t) => {
  const service = await start(t)
  const user = await enrolled(service, ada)
  const { page, context, complaints } = await openPage(await openBrowser(t))
  await page.goto(service.site)
  await logIn(page, ada.email, ada.password)
  const code = page.getByLabel('Code of your authenticator app')
  const answer = async (text: string) => {
    await code.fill(text)
    await page.getByRole('button', { name: 'Continue' }).click()
  }
  await answer('000000')
  await page.getByText('The code or link is wrong').waitFor()
  const names = (await context.cookies()).map(({ name }) => name)
  t.notOk(names.includes('session'), 'the password alone logs no one in')

  await page.getByRole('button', { name: 'Cancel' }).click()
  await logIn(page, ada.email, ada.password)
  await code.waitFor()
  await service.sql('delete from login_challenges')
  await answer(await user.code())
  await page.getByText('This login has expired').waitFor()
  await logIn(page, ada.email, ada.password)
  await answer(await user.code())
  await page.getByText(`You are logged in as ${ada.email}`).waitFor()
  await page.reload()
  await page.getByText(`You are logged in as ${ada.email}`).waitFor()
  t.strictSame(complaints, [])
})

t.test('a single-page app on another site works without third-party cookies', async (t) => {
  const service = await start(t, 'app.localhost', (service, site) =>
    addApp(service, 'app', { redirect_uris: [`${site}/redirect.html`], is_public: true }),
  )
  const { app, origin, site } = service
  await signUp(app)
  // As a private window, a new context of Chromium blocks third-party cookies.
  const { page, context, complaints } = await openPage(await openBrowser(t))
  const own = `${site}/redirect.html`
  const isIn = (tab: Page) => tab.getByText(`You are logged in as ${ada.email}`).waitFor()
  const isOut = (tab: Page) => tab.getByRole('button', { name: 'Log in', exact: true }).waitFor()

  await page.goto(`${own}?report=1#all`)
  await isOut(page)
  t.equal(page.url(), `${own}?report=1#all`)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await page.waitForURL(`${origin}/login?**`)
  await page.getByLabel('E-mail address').fill(ada.email)
  await page.getByLabel('Password').fill(ada.password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await isIn(page)
  t.equal(page.url(), `${own}?report=1#all`)

  await context.addCookies([
    { name: 'third', value: '1', url: 'https://localhost', sameSite: 'None', secure: true },
  ])
  const cookiesOf = async (tab: Page, work: Promise<unknown>, path: string) => {
    const [request] = await Promise.all([tab.waitForRequest(origin + path), work])
    return (await request.allHeaders()).cookie ?? ''
  }
  const call = `fetch('${origin}/api/user', { credentials: 'include' }).then(() => 0)`
  t.equal(await cookiesOf(page, page.evaluate(call), '/api/user'), '')
  const tab = await context.newPage()
  t.match(await cookiesOf(tab, tab.goto(`${origin}/account`), '/account'), 'third=1')

  const stores = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'
  const sent: string[] = []
  context.on('request', (request) => sent.push(new URL(request.url()).pathname))
  await page.reload()
  await isIn(page)
  t.equal(await page.evaluate(stores), '[{},{},""]')
  t.notMatch(await page.content(), /eyJ/)
  t.strictSame(
    sent.filter((path) => /oauth|api/.test(path)),
    ['/oauth/authorize', '/oauth/token', '/api/user'],
    'a reload asks once, and shows no page of Gatehouse',
  )

  const other = await context.newPage()
  await other.goto(own)
  await isIn(other)
  await other.getByRole('button', { name: 'Log out' }).click()
  await Promise.all([isOut(other), isOut(page)])
  await page.reload()
  await isOut(page)

  const forged = `${own}?code=stolen&state=x&iss=${encodeURIComponent(origin)}`
  await page.goto(forged)
  await page.getByText('This login was not started in this tab').waitFor()
  t.equal(page.url(), own)
  t.strictSame(complaints, [])
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { ada, signUp, testApp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'
import { freePort } from '../support/server-process.js'

const serve = new URL('../../examples/spa/serve.js', import.meta.url).pathname

t.test('a single-page app of another origin logs its users in and out', async (t) => {
  const origin = `http://localhost:${await freePort()}`
  const port = String(await freePort())
  const site = `http://localhost:${port}`
  const { app } = await testApp(t, { env: { PUBLIC_URL: origin, CORS_ORIGINS: site } })
  await app.listen({ host: 'localhost', port: Number(new URL(origin).port) })
  await signUp(app)
  const env = { ...process.env, GATEHOUSE: origin, PORT: port }
  const server = spawn(process.execPath, [serve], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.kill())
  await once(server.stdout, 'data')

  const browser = await openBrowser(t)
  const { page, context, complaints } = await openPage(browser)
  const refreshes: string[] = []
  context.on('request', (request) => {
    if (request.url() === `${origin}/api/refresh`) refreshes.push(request.method())
  })
  const logIn = async (password: string) => {
    await page.getByLabel('E-mail address').fill(ada.email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Log in' }).click()
  }
  await page.goto(site)
  await logIn('wrong horse battery')
  t.equal(await page.getByText('Invalid credentials').innerText(), 'Invalid credentials')
  await logIn(ada.password)
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
  await other.getByRole('button', { name: 'Log in' }).waitFor()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  t.equal(await page.locator('#account').isVisible(), false, 'each tab is logged out')

  for (const path of ['/serve.js', '/client/../../../package.json', '/README.md'])
    t.equal((await fetch(site + path)).status, 404, path)
  t.strictSame(complaints, [])
})

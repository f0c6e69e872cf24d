import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bearer, listeningApp, signUp } from '../support/app.js'
import { violationsOf } from '../support/axe.js'
import { openBrowser, openPage } from '../support/browser.js'
import { enrolled } from '../support/factors.js'

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const account = { email: 'ada@example.org', password: 'correct horse battery' }

t.test('a person logs a terminal in, in a browser with a second factor', async (t) => {
  const service = await listeningApp(t)
  const { app, origin } = service
  const user = await enrolled(service, account)
  const env = { PATH: process.env.PATH, XDG_CONFIG_HOME: t.testdir() }
  const command = (...args: string[]) => spawn(process.execPath, [cli, ...args], { env })

  const login = command('login', origin)
  t.teardown(() => login.kill())
  const out = text(login.stdout)
  login.stderr.setEncoding('utf8')
  const [line] = (await once(login.stderr, 'data')) as [string]
  const [code = ''] = /[B-Z]{4}-[B-Z]{4}/.exec(line) ?? []
  t.ok(code, line)

  const { page, complaints } = await openPage(await openBrowser(t), { javaScriptEnabled: false })
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const path = () => new URL(page.url()).pathname
  await page.goto(`${origin}/device?user_code=${code}`)
  t.equal(path(), '/login')
  await page.getByLabel('E-mail address, username or mobile number').fill(account.email)
  await page.getByLabel('Password').fill(account.password)
  await press('Log in')
  await page.getByLabel('Code', { exact: true }).fill(await user.code())
  await press('Log in')
  t.equal(path(), '/device', 'it leads back')
  t.equal(await page.getByLabel('Code', { exact: true }).inputValue(), code)
  t.equal(login.exitCode, null, 'the link approved nothing')
  await press('Continue')
  const shown = await page.locator('main').innerText()
  for (const words of [code, 'gatehouse login on', '127.0.0.1']) t.match(shown, words)
  await press('Log the device in')
  t.match(await page.locator('[role=status]').innerText(), 'The device is logged in')

  t.strictSame(await once(login, 'exit'), [0, null])
  t.equal(await out, `Logged in to ${origin}\n`)
  const token = (await text(command('token').stdout)).trim()
  const answer = await app.inject({ url: '/api/user', headers: bearer(token) })
  t.match(answer.json(), { user: { email: account.email } })

  await page.goto(`${origin}/account`)
  t.match(await page.locator('main').innerText(), 'Login of a device approved')
  await page.getByRole('link', { name: 'Log out' }).click()
  const after = await app.inject({ url: '/api/user', headers: bearer(token) })
  t.equal(after.statusCode, 401, 'a logout in the browser ends the session of the terminal')
  t.same(complaints, [])
})

t.test('a denial ends the command, and the pages have no fault for axe', async (t) => {
  const service = await listeningApp(t)
  const { origin } = service
  await signUp(service.app, account)
  const env = { PATH: process.env.PATH, XDG_CONFIG_HOME: t.testdir() }
  const login = spawn(process.execPath, [cli, 'login', origin], { env })
  t.teardown(() => login.kill())
  login.stderr.setEncoding('utf8')
  const [line] = (await once(login.stderr, 'data')) as [string]
  const [code = ''] = /[B-Z]{4}-[B-Z]{4}/.exec(line) ?? []
  const errors = text(login.stderr)
  const { page } = await openPage(await openBrowser(t))
  await page.goto(`${origin}/login?next=/device`)
  await page.getByLabel('E-mail address, username or mobile number').fill(account.email)
  await page.getByLabel('Password').fill(account.password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  t.strictSame(await violationsOf(page), [])
  await page.getByLabel('Code', { exact: true }).fill('BBBB BBBB')
  await page.getByRole('button', { name: 'Continue' }).click()
  t.equal(await page.getByLabel('Code', { exact: true }).getAttribute('aria-invalid'), 'true')
  t.strictSame(await violationsOf(page), [])
  await page.getByLabel('Code', { exact: true }).fill(code.toLowerCase())
  await page.getByRole('button', { name: 'Continue' }).click()
  t.strictSame(await violationsOf(page), [])
  await page.getByRole('button', { name: 'Do not log it in' }).click()
  t.match(await page.locator('[role=status]').innerText(), 'The device was not logged in')
  t.strictSame(await once(login, 'exit'), [4, null])
  t.match(await errors, 'denied the request')
})

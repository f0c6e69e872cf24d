import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { ada, bearer, listeningApp, logIn, signUp } from '../support/app.js'
import { executablePath } from '../support/browser.js'
import { tlsProxy } from '../support/tls-proxy.js'

const mallory = { email: 'mallory@example.org', password: 'correct horse battery' }

/**
 * Gatehouse on auth.example.org, an attacker's page on evil.example.org, and a browser. The page sets
 * whatever lines it is told to.
 */
async function siblings(t: Test, scheme: 'http' | 'https') {
  let lines: string[] = []
  const evil = createServer((request, response) => {
    // Chromium asks for the icon of a page later, perhaps after the cookies were removed again.
    const cookies = request.url === '/' ? lines : []
    response
      .writeHead(200, { 'content-type': 'text/html', 'set-cookie': cookies })
      .end('<p>evil</p>')
  })
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => evil.close(resolve)))
  const evilOrigin = `http://127.0.0.1:${(evil.address() as AddressInfo).port}`

  const backends: Record<string, string> = { 'evil.example.org': evilOrigin }
  const isTls = scheme === 'https'
  const front = isTls
    ? await tlsProxy(t, (host) => backends[host.split(':')[0] ?? ''] ?? evilOrigin)
    : undefined
  const service = await listeningApp(t, {
    env: { PUBLIC_URL: isTls ? `https://auth.example.org:${front}` : 'http://auth.example.org' },
  })
  backends['auth.example.org'] = service.origin
  await signUp(service.app)
  const attacker = await signUp(service.app, mallory)

  const rules = ['auth', 'evil'].map((name) => {
    const { host } = new URL(backends[`${name}.example.org`]!)
    return `MAP ${name}.example.org ${isTls ? `127.0.0.1:${front}` : host}`
  })
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', `--host-resolver-rules=${rules.join(',')}`],
  })
  t.teardown(() => browser.close())
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  const at = (name: string) => `${scheme}://${name}.example.org${isTls ? `:${front}` : ''}`
  return {
    ...service,
    attacker,
    page,
    home: at('auth'),
    async toss(...what: string[]) {
      lines = what
      await page.goto(at('evil'))
    },
  }
}

const heading = (page: Page) => page.locator('h1').innerText()

async function fillIn(page: Page, home: string): Promise<void> {
  await page.goto(`${home}/login`)
  await page.getByLabel('E-mail address, username or mobile number').fill(ada.email)
  await page.getByLabel('Password').fill(ada.password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

t.test('https: what a sibling sets logs nobody in, and keeps nobody out', async (t) => {
  const { app, attacker, home, page, toss } = await siblings(t, 'https')
  const tokens = { session: attacker.access_token, refresh: attacker.refresh_token }
  const tossed = Object.entries(tokens).flatMap(([name, token]) =>
    ['/', '/login', '/api', '/api/user', '/welcome'].flatMap((path) => [
      `${name}=${token}; Domain=example.org; Path=${path}; Secure`,
      `__Host-${name}=${token}; Domain=example.org; Path=${path}; Secure`,
      `__host-${name}=${token}; Domain=example.org; Path=${path}; Secure`,
      `=__Host-${name}=${token}; Domain=example.org; Path=${path}; Secure`,
    ]),
  )
  await toss(...tossed)
  await page.goto(home)
  t.equal(await heading(page), 'Hello, World!', 'nobody is logged in as the attacker')
  await page.goto(`${home}/welcome`)
  t.equal(await heading(page), 'Log in')
  await fillIn(page, home)
  t.equal(await heading(page), `Hello, ${ada.email}!`, 'the first login works')
  await toss(...tossed)
  await page.goto(`${home}/welcome`)
  t.equal(await heading(page), `Welcome, ${ada.email}!`, 'and lasts')
  await page.goto(`${home}/api/user`)
  t.match(await page.content(), ada.email)
  const names = (await page.context().cookies(home)).map(({ name }) => name)
  t.ok(names.includes('__Host-session') && names.includes('__Host-refresh'))

  const { access_token } = await logIn(app)
  await page.goto(home)
  await page.getByRole('link', { name: 'Log out' }).click()
  t.equal(await heading(page), 'Hello, World!')
  const still = await app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal(still.statusCode, 200, 'the logout ended that session, not another one')
})

t.test('plain http: what a sibling sets can be a nuisance, but no dead end', async (t) => {
  const { attacker, home, page, toss } = await siblings(t, 'http')
  for (const path of ['/', '/welcome', '/login']) {
    await page.context().clearCookies()
    await fillIn(page, home)
    t.equal(await heading(page), `Hello, ${ada.email}!`)
    await toss(
      `session=${attacker.access_token}; Domain=example.org; Path=${path}`,
      `refresh=${attacker.refresh_token}; Domain=example.org; Path=${path}`,
    )
    await page.goto(`${home}/welcome`)
    if (path !== '/login') t.equal(await heading(page), 'Log in', `two of a name (${path})`)
    await fillIn(page, home).catch(() => undefined) // who is logged in sees no form
    await page.goto(`${home}/welcome`)
    t.equal(await heading(page), `Welcome, ${ada.email}!`, `logged in again (${path})`)
  }
})

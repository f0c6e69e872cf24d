import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ada, bearer, listeningApp, signUp } from '../support/app.js'
import { passGrace, passTime } from '../support/pass-time.js'
import { browserSession } from '../support/browser-session.js'

const form = { username: ada.email, password: ada.password }

async function signedIn(t: Test, env: Record<string, string> = {}) {
  const test = await listeningApp(t, { env })
  await signUp(test.app, { ...ada, name: 'Ada' })
  const browser = browserSession(test.origin)
  await browser.post('/login', form)
  const cookie = (name: string) => browser.cookies.get(name) ?? ''
  const isAlive = async (token: string) =>
    (await fetch(`${test.origin}/api/user`, { headers: bearer(token) })).status === 200
  return { ...test, browser, cookie, isAlive }
}

const hello = '<h1>Hello, Ada!</h1>'
const stranger = '<h1>Hello, World!</h1>'

for (const [what, session] of [
  ['missing', undefined],
  ['invalid', 'eyJlbWFpbCI6InRlc3RAZ21haWwuY29tIn0.aGr_AA.YPS7NYQnu1Iwb3x-zSAoGv_4SbA'],
] as const) {
  t.test(`if the access token is ${what}, the refresh cookie replaces it`, async (t) => {
    const { browser, cookie, isAlive } = await signedIn(t)
    const refresh = cookie('refresh')
    if (session === undefined) browser.cookies.delete('session')
    else browser.cookies.set('session', session)
    const home = await browser.get('/')
    t.match(home.html, hello)
    t.strictSame(home.setCookies.filter((name) => name !== 'flash').sort(), ['refresh', 'session'])
    t.not(cookie('refresh'), refresh)
    t.equal(await isAlive(cookie('session')), true)
    const next = await browser.get('/welcome')
    t.equal(next.status, 200)
    t.strictSame(next.setCookies, [], 'the new access token is used')
  })
}

t.test('a session continues after its access token has expired', async (t) => {
  const { browser, cookie, isAlive } = await signedIn(t, { ACCESS_TOKEN_TTL: '1s' })
  const token = cookie('session')
  const end = Date.now() + 10_000
  while ((await isAlive(token)) && Date.now() < end) await sleep(100)
  t.equal(await isAlive(token), false)
  t.match((await browser.get('/welcome')).html, '<h1>Welcome, Ada!</h1>')
  t.not(cookie('session'), token)
})

t.test('a logout without an access token also ends the session', async (t) => {
  const { browser, cookie, sql } = await signedIn(t)
  browser.cookies.delete('session')
  t.equal((await browser.post('/logout')).status, 303)
  t.equal(cookie('refresh'), '')
  const left = await sql('select id from sessions')
  t.equal(left.length, 1, 'the session of signUp() stays')
})

t.test('a reused refresh cookie is refused and cleared, and its session ends', async (t) => {
  const { browser, cookie, isAlive, origin, sql } = await signedIn(t)
  const spent = cookie('refresh')
  for (let times = 0; times < 2; times += 1) {
    browser.cookies.delete('session')
    t.match((await browser.get('/')).html, hello)
    await passGrace(sql)
  }
  const thief = browserSession(origin)
  thief.cookies.set('refresh', spent)
  const home = await thief.get('/')
  t.match(home.html, stranger)
  t.strictSame(home.setCookies.sort(), ['refresh', 'session'])
  t.equal(thief.cookies.size, 0)
  t.equal(await isAlive(cookie('session')), false, 'the current access token is revoked too')
  t.match((await browser.get('/')).html, stranger)
  t.equal(cookie('refresh'), '')
})

t.test('concurrent requests with the same cookies do not end the session', async (t) => {
  const { browser, cookie, sql } = await signedIn(t)
  for (let round = 0; round < 3; round += 1) {
    const spent = cookie('refresh')
    for (const cookieOfFirst of [false, true]) {
      // Late answers of the previous round may have set the older token again.
      if (cookieOfFirst) browser.cookies.set('refresh', spent)
      browser.cookies.delete('session')
      const pages = await Promise.all(Array.from({ length: 12 }, () => browser.get('/')))
      t.equal(pages.filter(({ html }) => html.includes(hello)).length, 12)
    }
    await passTime(sql, '6 seconds')
  }
  t.same(await sql(`select event from audit_log where event like '%refresh%'`), [])
  t.match(await sql('select max(generation) as generation from sessions'), [{ generation: 3 }])
})

t.test(
  'a refresh cookie with a token of another service, or an access token, is cleared',
  async (t) => {
    const { browser, cookie, origin } = await signedIn(t)
    const other = await signedIn(t)
    const table = {
      'of another service': other.cookie('refresh'),
      'an access token': cookie('session'),
      'no token': 'garbage',
    }
    for (const [what, refresh] of Object.entries(table)) {
      const visitor = browserSession(origin)
      visitor.cookies.set('refresh', refresh)
      const home = await visitor.get('/')
      t.equal(home.status, 200, what)
      t.match(home.html, stranger, what)
      t.equal(visitor.cookies.size, 0, what)
    }
    t.match((await browser.get('/')).html, hello, 'other sessions stay')
  },
)

t.test('a client that does not accept HTML gets the home page as JSON', async (t) => {
  const { origin, cookie } = await signedIn(t)
  const kinds = ['*/*', 'application/json', 'application/json, text/html;q=0.5', 'image/png']
  for (const accept of kinds) {
    const visitor = await fetch(`${origin}/`, { headers: { accept } })
    t.equal(visitor.status, 401, accept)
    t.match(await visitor.json(), { status: 'error', message: 'Not logged in' }, accept)
    const headers = { accept, cookie: `session=${cookie('session')}` }
    const user = await fetch(`${origin}/`, { headers })
    t.match(await user.json(), { status: 'success', user: { email: ada.email, name: 'Ada' } })
  }
  const chromium = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8'
  const page = await fetch(`${origin}/`, { headers: { accept: chromium } })
  t.equal(page.status, 200)
  t.match(await page.text(), stranger)
})

t.test('a visitor whose account was just deleted is signed out on every page', async (t) => {
  for (const path of ['/', '/login', '/logout']) {
    const { browser, cookie, sql } = await signedIn(t, { DENYLIST_SYNC: 'poll' })
    await sql('delete from users')
    const answer = path === '/logout' ? await browser.post(path) : await browser.get(path)
    t.equal(answer.status, path === '/logout' ? 303 : 200, path)
    t.equal(cookie('session'), '', path)
    t.match((await browser.get('/')).html, stranger, path)
  }
})

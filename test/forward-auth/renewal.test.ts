import t from 'tap'
import {
  app1,
  app2,
  authHost,
  isHtml,
  logInAt,
  openBrowser,
  tokenAt,
  withHosts,
} from '../support/app-hosts.js'
import { whileLocked } from '../support/oauth.js'
import { passTime } from '../support/pass-time.js'
import { sentStatements } from '../support/sent-statements.js'
import { bearer } from '../support/app.js'

/** The denylist and the keys are followed beside the requests. */
const isOther = (text: string) => /token_denylist|key_ring|signing_keys|database_history/.test(text)
const ofSessions = (sent: { text: string }[]) =>
  sent.filter(({ text }) => /sessions/.test(text) || !isOther(text))

const quarter = 15 * 60

t.test('a request past the end of the token renews it by itself', async (t) => {
  const service = await withHosts(t)
  const { clock, sql } = service
  for (const [method, headers] of [
    ['GET', isHtml],
    ['POST', { origin: `https://${app1}`, 'sec-fetch-site': 'same-origin' }],
    ['GET', { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin', accept: '*/*' }],
  ] as const) {
    const browser = openBrowser(service)
    const before = await logInAt(service, browser)
    clock.ahead = quarter + 1
    const answer = await browser.visit(app1, { method, headers })
    t.equal(answer.statusCode, 200, method)
    t.match(answer.headers, { 'cache-control': 'no-store', 'remote-groups': 'user' })
    t.match(
      answer.headers['set-cookie'],
      /^__Host-gatehouse=[\w.-]+; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
    t.not(tokenAt(browser, app1), before)
    clock.ahead = 0
    const next = await browser.visit(app1, { method, headers })
    t.match(next, { statusCode: 200, headers: { 'set-cookie': undefined } })
    await passTime(sql, '16 minutes')
    clock.ahead = quarter + 1
    const third = await browser.visit(app1, { method, headers })
    t.match(third.headers['set-cookie'], /^__Host-gatehouse=/, 'and so on')
    clock.ahead = 0
  }
})

t.test('a session that is used every day ends where its login does', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  service.clock.ahead = 30 * 86_400 + 1
  const answer = await browser.visit(app1)
  t.match(answer, { statusCode: 302 })
  t.match(answer.headers.location, `https://${app1}/forward-auth/login?`)
})

t.test('a request that renews nothing sends no statement', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const sent = sentStatements(t)
  for (let times = 0; times < 30; times += 1) {
    service.clock.ahead = times * 20
    const method = times % 2 ? 'POST' : 'GET'
    t.equal((await browser.visit(app1, { method })).statusCode, 200)
  }
  t.strictSame(ofSessions(sent), [])
})

t.test('parallel requests renew once, and get the same cookie', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const cookie = browser.cookieOf(app1)
  service.clock.ahead = quarter + 1
  const sent = sentStatements(t)
  const first = await Promise.all(Array.from({ length: 20 }, () => service.ask(app1, { cookie })))
  t.equal(ofSessions(sent).filter(({ text }) => text.includes('update sessions s')).length, 1)
  const late = await Promise.all(Array.from({ length: 5 }, () => service.ask(app1, { cookie })))
  const values = [...first, ...late].map(({ headers }) => String(headers['set-cookie']))
  t.equal(new Set(values.map((line) => line.split(';')[0])).size, 1)
  t.match(values[0], /^__Host-gatehouse=/)
  const [session] = await service.sql('select generation from sessions where host is not null')
  t.strictSame(session, { generation: 1 })
})

t.test('a spent cookie that comes back after the grace ends the login', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const stolen = browser.cookieOf(app1)
  service.clock.ahead = quarter + 1
  await browser.visit(app1)
  service.clock.ahead = 0
  t.equal((await browser.visit(app1)).statusCode, 200, 'the renewed cookie was received')
  await passTime(service.sql, '1 minute')
  service.clock.ahead = quarter + 1
  t.equal((await service.ask(app1, { cookie: stolen })).statusCode, 401)
  service.clock.ahead = 0
  t.equal((await browser.visit(app1)).statusCode, 302, 'neither of the two has a session')
  const [entry] = await service.sql(`select event from audit_log where event like '%reuse'`)
  t.strictSame(entry, { event: 'session.refresh_reuse' })
})

t.test('the cookie of an ended session costs at most one statement a minute', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const cookie = browser.cookieOf(app1)
  await service.sql('delete from sessions')
  service.clock.ahead = quarter + 200
  const sent = sentStatements(t)
  for (let times = 0; times < 10; times += 1)
    t.equal((await service.ask(app1, { cookie })).statusCode, 401)
  const tried = ofSessions(sent).length
  t.ok(tried <= 2, `${tried} statements`)
})

t.test(
  'without the database a token near its end still counts, and one past it gets 503',
  async (t) => {
    const service = await withHosts(t)
    const browser = openBrowser(service)
    await logInAt(service, browser)
    const cookie = browser.cookieOf(app1)
    await whileLocked(service.url, 'sessions', async () => {
      service.clock.ahead = quarter - 30
      const near = await service.ask(app1, { cookie })
      t.match(near, { statusCode: 200, headers: { 'set-cookie': undefined } })
      service.clock.ahead = quarter + 1
      const past = await service.ask(app1, { cookie })
      t.equal(past.statusCode, 503)
      t.ok(past.headers['retry-after'])
    })
    t.equal((await service.ask(app1, { cookie })).statusCode, 200)
  },
)

t.test('a disabled user is refused, and so is one who is deleted', async (t) => {
  const service = await withHosts(t)
  for (const change of ['update users set disabled_at = now()', 'delete from users']) {
    const browser = openBrowser(service)
    await logInAt(service, browser)
    await service.sql(change)
    service.clock.ahead = quarter + 1
    t.equal((await browser.visit(app1, { headers: { accept: '*/*' } })).statusCode, 401, change)
    service.clock.ahead = 0
    await service.sql('update users set disabled_at = null')
  }
})

t.test('the cookie of a host opens nothing else', async (t) => {
  const service = await withHosts(t)
  const { app, ask, proxied } = service
  const browser = openBrowser(service)
  const token = await logInAt(service, browser)
  await browser.follow(`https://${app2}/`)
  const second = tokenAt(browser, app2)
  const names = ['__Host-gatehouse', 'gatehouse', '__Host-session', 'session', '__Host-refresh']
  for (const name of names) {
    const cookie = `${name}=${token}`
    t.equal((await ask(app2, { cookie })).statusCode, 401, `${name} on another host`)
    t.equal((await ask(authHost, { cookie })).statusCode, 401, `${name} on Gatehouse's host`)
    t.equal((await proxied(authHost, '/api/user', { headers: { cookie } })).statusCode, 401, name)
    t.equal((await app.inject({ url: '/api/user', headers: { cookie } })).statusCode, 401, name)
  }
  for (const name of names.slice(1)) {
    const cookie = `${name}=${token}`
    t.equal((await ask(app1, { cookie })).statusCode, 401, `${name} does not count on the host`)
  }
  const both = `__Host-gatehouse=${token}; __Host-gatehouse=${second}`
  t.equal((await ask(app1, { cookie: both })).statusCode, 401, 'two cookies are none')
  for (const url of ['/api/user', '/api/sessions', '/forward-auth', '/forward-auth/role/user', '/'])
    t.equal((await app.inject({ url, headers: bearer(token) })).statusCode, 401, `Bearer at ${url}`)
  t.equal(
    (await ask(app1, { headers: bearer(token) })).statusCode,
    401,
    'nor as Bearer at its host',
  )
  const send = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  t.equal((await send('/api/refresh', { refresh_token: token })).statusCode, 401)
  const form = (url: string, body: Record<string, string>) =>
    app.inject({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams(body).toString(),
    })
  const grant = { grant_type: 'refresh_token', refresh_token: token }
  t.match((await form('/oauth/token', grant)).json(), { error: 'invalid_grant' })
  t.equal((await form('/oauth/revoke', { token })).statusCode, 200)
  t.equal((await ask(app1, { cookie: `__Host-gatehouse=${token}` })).statusCode, 200, 'it still is')
  const session = browser.jarOf(authHost).get('__Host-session')!
  for (const name of names)
    t.equal(
      (await ask(app1, { cookie: `${name}=${session}` })).statusCode,
      401,
      `an access token as ${name}`,
    )
  t.equal((await ask(app1, { headers: bearer(session) })).statusCode, 200, 'Bearer decides alone')
})

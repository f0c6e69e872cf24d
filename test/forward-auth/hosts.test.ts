import t from 'tap'
import { bearer } from '../support/app.js'
import {
  app1,
  app2,
  authHost,
  isHtml,
  logInAt,
  openBrowser,
  other,
  tokenAt,
  withHosts,
} from '../support/app-hosts.js'
import { claimsOf } from '../support/oauth.js'
import { until } from '../support/until.js'

t.test('one login is enough for every host', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  const first = await browser.follow(`https://${app1}/page?a=1&b=%202`)
  t.match(first.places, [
    `https://${app1}/page?a=1&b=%202`,
    `https://${app1}/forward-auth/login?next=%2Fpage%3Fa%3D1%26b%3D%25202`,
    new RegExp(`^https://${authHost}/oauth/authorize\\?response_type=code&client_id=gatehouse&`),
    new RegExp(`^https://${authHost}/login\\?next=`),
  ])
  await logInAt(service, browser, app1)
  for (const host of [app2, other]) {
    const { places, answer } = await browser.follow(`https://${host}/page?a=1&b=%202`)
    t.equal(places.at(-1), `https://${host}/page?a=1&b=%202`, 'nobody asks the user again')
    t.equal(places.length, 5)
    t.equal(answer.statusCode, 200)
    t.match(answer.headers, { 'remote-groups': 'user', 'cache-control': 'no-store' })
    t.equal(answer.headers['set-cookie'], undefined)
  }
  const sessions = await service.sql<{ host: string }>(
    'select host from sessions where login_id is not null order by host',
  )
  t.strictSame(sessions, [{ host: other }, { host: app1 }, { host: app2 }])
  t.strictSame(
    [...browser.jarOf(app1).keys()].sort(),
    ['__Host-gatehouse', '__Host-gatehouse_login'],
    'and Gatehouse has no other cookie there',
  )
})

t.test('the cookie is of its host alone, and no script reads it', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  const { places } = await browser.follow(`https://${app1}/`)
  const start = await service.proxied(app1, '/forward-auth/login?next=/x')
  t.match(
    start.headers['set-cookie'],
    /^__Host-gatehouse_login=[\w-]{22}; Max-Age=3600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  t.equal(start.headers['cache-control'], 'no-store')
  t.ok(places.length > 1)
  const token = await logInAt(service, browser)
  const claims = claimsOf(token)
  t.match(claims, { aud: app1, iss: `https://${authHost}`, gen: 0, amr: ['pwd'] })
  t.notOk('jti' in claims || 'client_id' in claims)
  t.match(JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()), {
    ...{ alg: 'HS256', typ: 'fa+jwt' },
  })
})

t.test('ending any session of the login ends all of them', async (t) => {
  const service = await withHosts(t)
  const { ask, app } = service
  for (const end of ['app1', 'page', 'api', 'sessions'] as const) {
    const browser = openBrowser(service)
    await logInAt(service, browser, app1)
    for (const host of [app2, other]) await browser.follow(`https://${host}/`)
    const cookies = [app1, app2, other].map((host) => [host, browser.cookieOf(host)] as const)
    for (const [host, cookie] of cookies) t.equal((await ask(host, { cookie })).statusCode, 200)
    const session = browser.jarOf(authHost).get('__Host-session')!
    if (end === 'app1') {
      const click = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate', ...isHtml }
      const answer = await browser.get(app1, '/forward-auth/logout', click)
      t.match(answer, { statusCode: 303, headers: { location: `https://${authHost}/` } })
      t.notOk(browser.jarOf(app1).has('__Host-gatehouse'))
    }
    if (end === 'page') await browser.post(authHost, '/logout')
    if (end === 'api')
      await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(session) })
    if (end === 'sessions')
      await app.inject({ method: 'DELETE', url: '/api/sessions', headers: bearer(session) })
    for (const [host, cookie] of cookies)
      t.equal((await ask(host, { cookie })).statusCode, 401, `${end}: ${host}`)
    t.equal((await app.inject({ url: '/api/user', headers: bearer(session) })).statusCode, 401)
  }
})

t.test('a logout by another site asks first, or is refused', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const evil = 'https://evil.example'
  for (const headers of [
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', ...isHtml },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', ...isHtml },
    { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', ...isHtml },
  ]) {
    const answer = await browser.get(app1, '/forward-auth/logout', headers)
    t.match(answer, { statusCode: 303, headers: { location: `https://${authHost}/logout` } })
  }
  const posted = await browser.post(app1, '/forward-auth/logout', {
    origin: evil,
    'sec-fetch-site': 'cross-site',
  })
  t.equal(posted.statusCode, 403)
  t.equal((await browser.visit(app1)).statusCode, 200, 'still logged in')
  t.equal((await browser.post(app1, '/forward-auth/logout')).statusCode, 303)
  t.equal((await browser.visit(app1)).statusCode, 302)
})

t.test('a role and a cross-site change are checked as with any cookie', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const cookie = browser.cookieOf(app1)
  const role = (name: string, headers = {}) =>
    service.proxied(app1, `/forward-auth/role/${name}`, { headers: { cookie, ...headers } })
  t.equal((await role('user')).statusCode, 200)
  t.match((await role('admin')).json(), { code: 'forbidden' })
  t.equal((await role('No Role')).statusCode, 400)
  const from = (headers: Record<string, string>) =>
    service.ask(app1, { cookie, method: 'POST', headers })
  t.match((await from({ origin: 'https://evil.example' })).json(), { code: 'cross_site_request' })
  t.match((await from({ origin: `https://${app2}`, 'sec-fetch-site': 'same-site' })).json(), {
    code: 'cross_site_request',
  })
  t.equal(
    (await from({ origin: `https://${app1}`, 'sec-fetch-site': 'same-origin' })).statusCode,
    200,
  )
})

t.test('on the host of an app no other origin counts, also none that the API trusts', async (t) => {
  const service = await withHosts(t, { CORS_ORIGINS: `https://${app2}` })
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const cookie = browser.cookieOf(app1)
  const origins: Record<string, string>[] = [
    { origin: `https://${app2}`, 'sec-fetch-site': 'same-site' },
    { origin: `https://${app2}` },
    { origin: `https://${authHost}` },
  ]
  for (const headers of origins) {
    for (const method of ['POST', 'GET']) {
      const answer = await service.ask(app1, { cookie, method, headers })
      t.match(answer.json(), { code: 'cross_site_request' }, `${method} ${headers.origin}`)
    }
  }
  const foreign = { origin: `https://${app2}`, 'sec-fetch-site': 'same-site' }
  const left = await browser.post(app1, '/forward-auth/logout', foreign)
  t.equal(left.statusCode, 403, 'nor does it log out')
  t.equal((await service.ask(app1, { cookie })).statusCode, 200)
})

t.test('a change of roles shows at the next request', async (t) => {
  const service = await withHosts(t)
  const { sql } = service
  const browser = openBrowser(service)
  const before = await logInAt(service, browser)
  const { sub } = claimsOf(before)
  await sql(`insert into roles values ('editor')`)
  await sql(`insert into user_roles values ($1, 'editor')`, [sub])
  await sql('update users set epoch = epoch + 1 where id = $1', [sub])
  await sql(
    `insert into token_denylist (id, epoch, expires_at) select id, epoch, now() + interval '1 hour' from users where id = $1
     on conflict (id) do update set epoch = excluded.epoch, xid = excluded.xid`,
    [sub],
  )
  await sql(`notify gatehouse, ''`)
  await until(async () => {
    const { headers } = await browser.visit(app1)
    return headers['remote-groups'] === 'editor,user'
  }, 'the new role')
  t.not(tokenAt(browser, app1), before)
})

t.test('without FORWARD_AUTH_HOSTS nothing of this is there', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const cookie = browser.cookieOf(app1)
  const none = await withHosts(t, { FORWARD_AUTH_HOSTS: '' })
  for (const path of ['login', 'callback', 'logout'])
    t.equal((await none.proxied(app1, `/forward-auth/${path}`)).statusCode, 404, path)
  t.match(await none.ask(app1, { cookie, headers: isHtml }), {
    statusCode: 401,
    headers: { location: undefined },
  })
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: 'gatehouse' },
    redirect_uri: `https://${app1}/forward-auth/callback`,
  })
  t.equal((await none.proxied(authHost, `/oauth/authorize?${query}`)).statusCode, 400)
})

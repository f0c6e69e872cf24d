import t, { type Test } from 'tap'
import { ada, bearer, listeningApp, signUp, testApp } from '../../support/app.js'
import { authorizing, newVerifier, sidOf, withApps } from '../../support/authorization.js'
import { browserSession, type Answered } from '../../support/browser-session.js'
import { addApp, claimsOf } from '../../support/oauth.js'

const start = async (t: Test, env: Record<string, string> = {}) =>
  withApps(await testApp(t, { env }))

type Query = Record<string, string | undefined>

t.test('the app learns every fault of its request by the redirect', async (t) => {
  const { shop, authorize, requestOf } = await start(t)
  const good = requestOf(shop, newVerifier())
  const table: [error: string, change: Query][] = [
    ['invalid_request', { response_type: undefined }],
    ['invalid_request', { response_type: '' }],
    ['unsupported_response_type', { response_type: 'token' }],
    ['unsupported_response_type', { response_type: 'code id_token' }],
    ['invalid_request', { response_mode: 'fragment' }],
    ['invalid_request', { code_challenge: undefined }],
    ['invalid_request', { code_challenge_method: undefined }],
    ['invalid_request', { code_challenge_method: 'plain' }],
    ['invalid_request', { code_challenge_method: 's256' }],
    ['invalid_request', { code_challenge: 'x'.repeat(42) }],
    ['invalid_request', { code_challenge: 'x'.repeat(44) }],
    ['invalid_request', { code_challenge: `${'x'.repeat(42)}=` }],
    ['invalid_scope', { scope: 'openid' }],
    ['invalid_request', { prompt: 'consent' }],
    ['invalid_request', { prompt: 'none login' }],
    ['invalid_request', { max_age: '-1' }],
    ['invalid_request', { max_age: '1e3' }],
    ['invalid_request', { max_age: '9'.repeat(10) }],
  ]
  for (const [error, change] of table) {
    const { statusCode, location, back } = await authorize({ ...good, ...change })
    const name = JSON.stringify(change)
    t.equal(statusCode, 303, name)
    t.ok(location.startsWith(`${shop.redirect_uri}?`), name)
    t.match(back, { error, state: 'a state', iss: 'http://localhost:3000' }, name)
    t.notOk(back.code, name)
  }
  const twice = await authorize(`${new URLSearchParams(good as Record<string, string>)}&state=b`)
  t.match(twice.back, { error: 'invalid_request', error_description: 'state must not be repeated' })
  t.notOk(twice.back.state)
  const bytes = await authorize(
    `${new URLSearchParams({ ...good, state: '' } as Record<string, string>)}&state=%ff`,
  )
  t.match(bytes.back, { error: 'invalid_request' })
  t.notOk(bytes.back.state)
  const { back } = await authorize({ ...good, state: undefined })
  t.strictSame(Object.keys(back).sort(), ['code', 'iss'], 'the state is optional with PKCE')
})

t.test('state comes back as it was', async (t) => {
  const { shop, authorize, requestOf } = await start(t)
  for (const state of ['a&b=c#d', 'é 😀', '"><script>', '\r\nSet-Cookie: x=1', '%2541', '+ +']) {
    const { location, back, headers } = await authorize({
      ...requestOf(shop, newVerifier()),
      state,
    })
    t.equal(back.state, state)
    t.ok(new URL(location).searchParams.get('code'))
    t.notOk(headers['set-cookie'])
  }
})

t.test('a redirect URI with a query keeps it', async (t) => {
  const test = await start(t)
  const redirect_uri = 'http://app.localhost:4000/back?shop=1&x=%20'
  const own = { ...(await addApp(test, 'own', { redirect_uris: [redirect_uri] })), redirect_uri }
  const { location } = await test.authorize(test.requestOf(own, newVerifier()))
  t.ok(location.startsWith(`${redirect_uri}&code=`), location)
})

t.test('a browser without a session goes to the login page, unless prompt=none', async (t) => {
  const { shop, authorize, requestOf } = await start(t)
  const request = requestOf(shop, newVerifier())
  const { location } = await authorize(request, {})
  t.match(location, /^\/login\?next=%2Foauth%2Fauthorize%3F/)
  const { back } = await authorize({ ...request, prompt: 'none' }, {})
  t.match(back, { error: 'login_required', state: 'a state', iss: 'http://localhost:3000' })
  const own = await authorize({ ...request, prompt: 'none' })
  t.ok(own.back.code, 'with a session there is a code')
})

t.test('only the cookie says whose browser it is', async (t) => {
  const { shop, login, authorize, requestOf, cookie } = await start(t)
  const request = requestOf(shop, newVerifier())
  const { location } = await authorize(request, bearer(login.access_token))
  t.match(location, /^\/login\?/)
  t.match((await authorize(request, { cookie, ...bearer('x') })).location, /^\/login\?/)
})

t.test('a script or a frame gets no code, also of an origin in CORS_ORIGINS', async (t) => {
  const origin = 'https://shop.example.org'
  const { shop, authorize, requestOf, cookie } = await start(t, { CORS_ORIGINS: origin })
  const request = requestOf(shop, newVerifier())
  const from = (site: string, mode: string, dest: string) => ({
    ...{ 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest },
  })
  const refused: Record<string, Record<string, string>> = {
    'a script with cors': { origin, ...from('same-site', 'cors', 'empty') },
    'a script of an old browser': { origin },
    'a script without cors': from('cross-site', 'no-cors', 'empty'),
    'a script of our own': from('same-origin', 'cors', 'empty'),
    'a frame': from('cross-site', 'navigate', 'iframe'),
    'a picture': from('cross-site', 'no-cors', 'image'),
  }
  for (const [name, headers] of Object.entries(refused)) {
    const answer = await authorize(request, { cookie, ...headers })
    t.equal(answer.statusCode, 403, name)
    t.match(answer.json(), { code: 'cross_site_request' })
    t.equal(answer.location, '', name)
  }
  const tab = await authorize(request, { cookie, ...from('cross-site', 'navigate', 'document') })
  t.ok(tab.back.code)
})

t.test('an origin of CORS_ORIGINS is no redirect URI', async (t) => {
  const { shop, authorize, requestOf } = await start(t, { CORS_ORIGINS: 'https://app.example.org' })
  const redirect_uri = 'https://app.example.org/callback'
  const answer = await authorize({ ...requestOf(shop, newVerifier()), redirect_uri })
  t.equal(answer.statusCode, 400)
  t.equal(answer.location, '')
})

/** The redirect or the refresh of a page, as a browser follows it. */
const leadsTo = ({ location, html }: Answered) =>
  location ??
  /http-equiv="refresh" content="0; url=([^"]*)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ??
  ''

const nextOf = (location: string) => new URLSearchParams(location.split('?')[1]).get('next') ?? ''

/** A service with a browser that has no session, and a request of an app for it. */
async function visit(t: Test, env: Record<string, string> = {}, more: Query = {}) {
  const test = await withApps(await listeningApp(t, { env }))
  const browser = browserSession(test.origin)
  const verifier = newVerifier()
  const request = { ...test.requestOf(test.shop, verifier), ...more }
  const path = `/oauth/authorize?${new URLSearchParams(request as Record<string, string>)}`
  const finish = async (answer: Answered) => {
    const { location } = await browser.get(leadsTo(answer))
    const code = new URL(location ?? '').searchParams.get('code') ?? ''
    return (await test.exchange(test.shop, code, verifier)).json<{ access_token: string }>()
  }
  const form = { username: ada.email, password: ada.password }
  return { ...test, browser, path, finish, form }
}

t.test('the request survives a wrong and a right password', async (t) => {
  const { browser, path, finish, form, login } = await visit(t, {}, { state: 'x&y=é "' })
  const next = nextOf((await browser.get(path)).location ?? '')
  t.equal((await browser.get(`/login?next=${encodeURIComponent(next)}`)).status, 200)
  const wrong = await browser.post('/login', { ...form, password: 'wrong horse', next })
  t.match(wrong.html, 'name="next" value="/oauth/authorize?')
  const { access_token } = await finish(await browser.post('/login', { ...form, next }))
  t.match(claimsOf(access_token), { sub: login.user.id, client_id: 'shop', amr: ['pwd'] })
})

t.test('the request survives a registration', async (t) => {
  const { browser, path, finish } = await visit(t)
  const next = nextOf((await browser.get(path)).location ?? '')
  const shown = await browser.get(`/login?next=${encodeURIComponent(next)}`)
  const register = /href="(\/register\?[^"]*)"/.exec(shown.html)?.[1] ?? ''
  t.equal(nextOf(register), next)
  const form = { email: 'bob@example.org', password: ada.password, next }
  const { access_token } = await finish(await browser.post('/register', form))
  t.match(claimsOf(access_token), { client_id: 'shop' })
})

t.test('the request survives a registration with activation', async (t) => {
  const test = await listeningApp(t, { env: { ACTIVATION: 'required' } })
  const redirect_uri = 'https://shop.example.org/callback'
  const shop = { ...(await addApp(test, 'shop')), redirect_uri }
  const { requestOf } = authorizing(test)
  const request = new URLSearchParams(requestOf(shop, newVerifier()) as Record<string, string>)
  const browser = browserSession(test.origin)
  const next = nextOf((await browser.get(`/oauth/authorize?${request}`)).location ?? '')
  const form = { email: 'bob@example.org', password: ada.password, next }
  const sent = await browser.post('/register', form)
  t.equal(nextOf(sent.location ?? ''), next, 'the login page keeps it meanwhile')
  await test.sql('update users set activated_at = now()')
  const { email: username, password } = form
  const back = await browser.get(
    leadsTo(await browser.post('/login', { username, password, next })),
  )
  t.match(back.location, /^https:\/\/shop\.example\.org\/callback\?code=/)
})

for (const more of [{ prompt: 'login' }, { max_age: '0' }, { max_age: '60' }]) {
  t.test(`${JSON.stringify(more)} asks for a login again, and continues the login`, async (t) => {
    const { browser, path, finish, form, sql } = await visit(t, {}, more)
    await browser.post('/login', form)
    await sql(`update sessions set auth_time = now() - interval '61 seconds'`)
    const first = browser.cookies.get('session') ?? ''
    const asked = (await browser.get(path)).location ?? ''
    t.match(asked, /^\/login\?next=.*&prompt=login$/)
    t.equal((await browser.get(asked)).status, 200, 'the form, though there is a session')
    const next = nextOf(asked)
    t.match((await browser.get(next)).location, /^\/login\?/, 'without a login it is asked again')
    const { access_token } = await finish(await browser.post('/login', { ...form, next }))
    const { auth_time } = claimsOf(access_token)
    t.ok(Number(auth_time) > Date.now() / 1_000 - 30)
    const logins = await sql('select from sessions where login_id = $1', [sidOf(first)])
    t.equal(logins.length, 2, 'the new session and that of the app belong to the login')
  })
}

t.test('a mark of a login counts for its request alone, and cannot be made', async (t) => {
  const { browser, path, form, cookie, authorize, requestOf, shop } = await visit(
    t,
    {},
    {
      prompt: 'login',
    },
  )
  await browser.post('/login', form)
  const next = nextOf((await browser.get(path)).location ?? '')
  const login_mark = new URLSearchParams(next.split('?')[1]).get('login_mark') ?? ''
  const other = { ...requestOf(shop, newVerifier()), prompt: 'login' }
  for (const mark of [login_mark, 'x', '', `${login_mark}A`]) {
    const { location } = await authorize({ ...other, login_mark: mark }, { cookie })
    t.match(location, /^\/login\?/)
  }
})

t.test('a mark counts for no login from before it, whoever has got it', async (t) => {
  const { app, sql, shop, authorize, requestOf } = await start(t)
  await sql(`update sessions set created_at = created_at - interval '1 minute'`)
  const other = await signUp(app, { email: 'eve@example.org', password: ada.password })
  for (const more of [{ prompt: 'login' }, { max_age: '0' }]) {
    const request = { ...requestOf(shop, newVerifier()), ...more }
    for (const cookie of ['', `session=${other.access_token}`]) {
      const next = nextOf((await authorize(request, { cookie })).location)
      const login_mark = new URLSearchParams(next.split('?')[1]).get('login_mark') ?? ''
      t.ok(login_mark)
      t.match((await authorize({ ...request, login_mark })).location, /^\/login\?/)
    }
  }
})

t.test('max_age admits a login that is recent enough', async (t) => {
  const { shop, authorize, requestOf } = await start(t)
  const request = requestOf(shop, newVerifier())
  t.ok((await authorize({ ...request, max_age: '60' })).back.code)
  t.ok((await authorize({ ...request, max_age: '60', prompt: 'none' })).back.code)
})

t.test('prompt=none with a login that is too old is refused', async (t) => {
  const { sql, shop, authorize, requestOf } = await start(t)
  await sql(`update sessions set auth_time = now() - interval '61 seconds'`)
  const request = { ...requestOf(shop, newVerifier()), max_age: '60', prompt: 'none' }
  t.match((await authorize(request)).back, { error: 'login_required' })
})

t.test('a request that does not fit through the login page is refused', async (t) => {
  const { shop, authorize, requestOf } = await start(t)
  const request = { ...requestOf(shop, newVerifier()), state: 'x'.repeat(2_000) }
  t.match((await authorize(request, {})).back, { error: 'invalid_request' })
  t.ok((await authorize(request)).back.code, 'with a session it needs no login page')
})

t.test('an expired access token in the cookie is renewed by the way', async (t) => {
  const { app, sql, login, authorize, shop, requestOf } = await start(t)
  await app.inject({ url: '/api/user', headers: bearer(login.access_token) })
  await sql(`update sessions set rotated_at = rotated_at - interval '1 minute'`)
  const cookie = `refresh=${login.refresh_token}`
  const { back, headers } = await authorize(requestOf(shop, newVerifier()), { cookie })
  t.ok(back.code)
  t.match(String(headers['set-cookie']), /session=/)
})

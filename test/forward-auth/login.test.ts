import t, { type Test } from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { browserSession, type Answered } from '../support/browser-session.js'
import { until } from '../support/until.js'

type Headers = Record<string, string>

const publicUrl = 'https://example.org'
const env = {
  PUBLIC_URL: publicUrl,
  CORS_ORIGINS: 'https://example.org:8443,https://app.example.net,http://example.org',
}
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const proxied = (uri: string, more: Headers = {}): Headers => ({
  ...html,
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'example.org',
  'x-forwarded-uri': uri,
  ...more,
})
const byTraefik = { 'x-forwarded-method': 'GET' }

async function asker(t: Test, more: Headers = {}) {
  const service = await listeningApp(t, { env: { ...env, ...more } })
  const ask = async (headers: Headers, method = 'GET') => {
    const url = '/forward-auth'
    const answer = await service.app.inject({ method: method as 'GET', url, headers })
    return { status: answer.statusCode, location: answer.headers.location, body: answer.body }
  }
  return { ...service, ask }
}

const loginFor = (next: string) => `${publicUrl}/login?next=${encodeURIComponent(next)}`

t.test('a browser is redirected to the login page if the proxy supports it', async (t) => {
  const { ask } = await asker(t)
  const [there, location] = [proxied('/app/?a=1&b=%202#'), loginFor('/app/?a=1&b=%202')]
  t.match(await ask({ ...there, ...byTraefik }), { status: 302, location, body: '' })
  t.match(await ask({ ...there, ...byTraefik }, 'HEAD'), { status: 302, location })
  const { status, location: named, body } = await ask(there)
  t.match(
    { status, named },
    { status: 401, named: location },
    'nginx reads the Location header of a 401',
  )
  t.match(JSON.parse(body), { code: 'invalid_token' })
  const spent = { ...there, ...byTraefik, cookie: 'session=x; refresh=y' }
  t.match(await ask(spent), { status: 302, location })
})

t.test('a script, or a request that is not safe, gets a 401 without Location', async (t) => {
  const { ask } = await asker(t)
  for (const more of [
    { accept: '*/*' },
    { accept: 'application/json' },
    { accept: '' },
    { authorization: 'Bearer x.y.z' },
    { authorization: 'Basic YWRhOmFkYQ==' },
    { 'x-forwarded-method': 'POST' },
    { 'x-original-method': 'POST' },
    { 'x-forwarded-method': 'PROPFIND' },
    { origin: publicUrl },
  ] as Headers[]) {
    const answer = await ask(proxied('/app/', { ...byTraefik, ...more }))
    t.match(answer, { status: 401, location: undefined }, JSON.stringify(more))
  }
  t.match(await ask(proxied('/app/', byTraefik), 'POST'), { status: 401, location: undefined })
})

/** Headers of a proxy, and the `next` of the login page; undefined if there is no redirect. */
const table: [says: Headers, next: string | undefined][] = [
  [{}, '/app/'],
  [{ 'x-forwarded-host': 'EXAMPLE.org' }, '/app/'],
  [{ 'x-forwarded-host': 'example.org:443' }, '/app/'],
  [{ 'x-forwarded-host': 'example.org:8443' }, 'https://example.org:8443/app/'],
  [{ 'x-forwarded-host': 'example.org:8444' }, undefined],
  [{ 'x-forwarded-host': 'evil.example' }, undefined],
  [{ 'x-forwarded-host': 'example.org.evil.example' }, undefined],
  [{ 'x-forwarded-host': 'example.org@evil.example' }, undefined],
  [{ 'x-forwarded-host': 'evil.example/example.org' }, undefined],
  [{ 'x-forwarded-host': 'example.org, evil.example' }, undefined],
  [{ 'x-forwarded-host': 'app.example.net' }, undefined],
  [{ 'x-forwarded-host': '' }, undefined],
  [{ 'x-forwarded-host': '[' }, undefined],
  [{ 'x-forwarded-proto': 'http' }, undefined],
  [{ 'x-forwarded-proto': 'javascript' }, undefined],
  [{ 'x-forwarded-uri': '/' }, '/'],
  [{ 'x-forwarded-uri': '//evil.example/x' }, '/evil.example/x'],
  [{ 'x-forwarded-uri': '/\\evil.example' }, '/evil.example'],
  [{ 'x-forwarded-uri': '/app/../../x' }, '/x'],
  [{ 'x-forwarded-uri': '/app/%2e%2e/x' }, '/x'],
  [{ 'x-forwarded-uri': '/app/?next=https://evil.example' }, '/app/?next=https://evil.example'],
  [{ 'x-forwarded-uri': '/%0d%0aSet-Cookie:x=1' }, '/%0d%0aSet-Cookie:x=1'],
  [{ 'x-forwarded-uri': `/${'x'.repeat(3_000)}` }, '/'],
  [{ 'x-forwarded-uri': 'https://evil.example/' }, undefined],
  [{ 'x-forwarded-uri': '.evil.example/' }, undefined],
  [{ 'x-forwarded-uri': '@evil.example/' }, undefined],
  [{ 'x-forwarded-uri': ':8443/' }, undefined],
  [{ 'x-forwarded-uri': '' }, undefined],
]

t.test('a browser is redirected only for a page on a host that gets the cookie', async (t) => {
  const { ask } = await asker(t)
  for (const [says, next] of table) {
    const { status, location } = await ask(proxied('/app/', { ...byTraefik, ...says }))
    const expected = next === undefined ? [401, undefined] : [302, loginFor(next)]
    t.strictSame([status, location], expected, JSON.stringify(says).slice(0, 80))
  }
})

t.test('the requested URL is read only from a trusted proxy', async (t) => {
  // The Host of the request itself is the right one.
  const headers = proxied('/app/', {
    ...byTraefik,
    'x-forwarded-proto': 'http',
    host: 'example.org',
  })
  for (const [TRUST_PROXY, status] of [
    ['loopback', 302],
    ['none', 401],
    ['10.0.0.0/8', 401],
  ] as const) {
    const { ask } = await asker(t, { TRUST_PROXY, PUBLIC_URL: 'http://example.org' })
    t.equal((await ask(headers)).status, status, TRUST_PROXY)
  }
})

/** Starts a service without Secure cookies. The requests themselves have the headers of a proxy. */
async function browsing(t: Test, more: Headers = {}) {
  const plain = 'http://localhost:3000'
  const service = await listeningApp(t, { env: { PUBLIC_URL: plain, ...more } })
  await signUp(service.app)
  const browser = browserSession(service.origin)
  const says = proxied('/app/?x=1&y', {
    ...{ 'x-forwarded-proto': 'http', 'x-forwarded-host': 'localhost:3000' },
    ...{ ...byTraefik, 'sec-fetch-site': 'none' },
  })
  const visit = () => browser.get('/forward-auth', says)
  const follow = async (location: string | null) => browser.get(location!.replace(plain, ''))
  return { ...service, browser, visit, follow }
}

t.test('after the login a browser returns to the requested page', async (t) => {
  const { browser, visit, follow } = await browsing(t)
  const turned = await visit()
  t.equal(turned.status, 302)
  const login = await follow(turned.location)
  const next = /name="next" value="([^"]*)"/.exec(login.html)?.[1]?.replaceAll('&amp;', '&')
  t.equal(next, '/app/?x=1&y')
  const form = { username: ada.email, password: ada.password, next: next! }
  const from = { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' }
  t.match(await browser.post('/login', form, from), { status: 303, location: '/app/?x=1&y' })
  t.equal((await visit()).status, 200)
})

/** Waits for the first answer that is not 200: a token expires, or a change by SQL reaches the instance. */
async function refusal(visit: () => Promise<Answered>): Promise<Answered> {
  let turned = await visit()
  await until(async () => {
    if (turned.status === 200) turned = await visit()
    return turned.status !== 200
  }, 'a refusal')
  return turned
}

t.test('if the access token has expired, the login page renews it and returns', async (t) => {
  const { browser, visit, follow } = await browsing(t, { ACCESS_TOKEN_TTL: '2s' })
  await browser.post('/login', { username: ada.email, password: ada.password })
  t.equal((await visit()).status, 200)
  const turned = await refusal(visit)
  t.equal(turned.status, 302)
  const renewed = await follow(turned.location)
  t.match(renewed, { status: 303, location: '/app/?x=1&y' })
  t.strictSame(renewed.setCookies.sort(), ['refresh', 'session'])
  t.equal((await visit()).status, 200)
})

t.test(
  'the login page also renews a session with a stale token or only the refresh cookie',
  async (t) => {
    const { browser, visit, follow, sql } = await browsing(t)
    await browser.post('/login', { username: ada.email, password: ada.password })
    await sql('update users set epoch = epoch + 1')
    const stale = await refusal(visit)
    t.match(await follow(stale.location), { status: 303, location: '/app/?x=1&y' })
    t.equal((await visit()).status, 200)
    browser.cookies.delete('session')
    t.equal((await follow((await visit()).location)).status, 303)
    t.equal((await visit()).status, 200)
  },
)

t.test('an ended session leads to the login form, not into a redirect loop', async (t) => {
  const { browser, visit, follow, sql } = await browsing(t)
  await browser.post('/login', { username: ada.email, password: ada.password })
  await sql('update users set disabled_at = now()')
  const login = await follow((await refusal(visit)).location)
  t.equal(login.status, 200)
  t.match(login.html, '<form')
})

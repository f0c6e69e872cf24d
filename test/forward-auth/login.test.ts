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

t.test('a browser is sent to log in where the proxy passes a redirect on', async (t) => {
  const { ask } = await asker(t)
  const [there, location] = [proxied('/app/?a=1&b=%202#'), loginFor('/app/?a=1&b=%202')]
  t.match(await ask({ ...there, ...byTraefik }), { status: 302, location, body: '' })
  t.match(await ask({ ...there, ...byTraefik }, 'HEAD'), { status: 302, location })
  const { status, location: named, body } = await ask(there)
  t.match({ status, named }, { status: 401, named: location }, 'nginx reads the header of a 401')
  t.match(JSON.parse(body), { code: 'invalid_token' })
  const spent = { ...there, ...byTraefik, cookie: 'session=x; refresh=y' }
  t.match(await ask(spent), { status: 302, location })
})

t.test('who is no browser, or does not only look, gets a 401 and nowhere to go', async (t) => {
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

/** What a proxy says was asked for, and where the browser goes; undefined is nowhere. */
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

t.test(
  'nobody is sent to log in for a page of a stranger, or one without the cookie',
  async (t) => {
    const { ask } = await asker(t)
    for (const [says, next] of table) {
      const { status, location } = await ask(proxied('/app/', { ...byTraefik, ...says }))
      const expected = next === undefined ? [401, undefined] : [302, loginFor(next)]
      t.strictSame([status, location], expected, JSON.stringify(says).slice(0, 80))
    }
  },
)

t.test('only a proxy that is trusted says where somebody was going', async (t) => {
  // What is left to believe is the Host of the request, which is right.
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

/** The cookies are not Secure, and the proxy is the service itself. */
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

t.test('a browser logs in and comes back to the very page', async (t) => {
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

/** The first answer that is not yes: a token ends in time, and what is done by SQL is heard of a moment later. */
async function refusal(visit: () => Promise<Answered>): Promise<Answered> {
  let turned = await visit()
  await until(async () => {
    if (turned.status === 200) turned = await visit()
    return turned.status !== 200
  }, 'a refusal')
  return turned
}

t.test('where the access token ran out, the login page renews it and goes on', async (t) => {
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
  'so it does where roles have changed, and with nothing but the refresh cookie',
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

t.test('a session that ended leads to the form, and not in a circle', async (t) => {
  const { browser, visit, follow, sql } = await browsing(t)
  await browser.post('/login', { username: ada.email, password: ada.password })
  await sql('update users set disabled_at = now()')
  const login = await follow((await refusal(visit)).location)
  t.equal(login.status, 200)
  t.match(login.html, '<form')
})

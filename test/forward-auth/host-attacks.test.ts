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
  type HostsBrowser,
} from '../support/app-hosts.js'
import { forgedHostTokens } from '../support/forgeries/forward-auth.js'

const seconds = () => Math.floor(Date.now() / 1_000)

t.test('no forged cookie passes on any host', async (t) => {
  const service = await withHosts(t)
  const { app, ask } = service
  const good = await logInAt(service, openBrowser(service))
  const { keys } = (await app.inject('/.well-known/jwks.json')).json<{ keys: { kid: string }[] }>()
  const kit = { now: seconds(), ttl: service.config.REFRESH_TOKEN_TTL, signingKid: keys[0]!.kid }
  const forged = forgedHostTokens(good, kit)
  t.ok(forged.length > 45, `${forged.length} cases`)
  for (const [name, token] of forged) {
    for (const host of [app1, app2]) {
      if (host === app2 && name === 'another host') continue // that is a genuine one
      const answer = await ask(host, { cookie: `__Host-gatehouse=${token}` })
      t.match(answer.json(), { code: 'invalid_token' }, `${name} on ${host}`)
      t.equal(answer.headers['set-cookie'], undefined)
    }
  }
  t.equal((await ask(app1, { cookie: `__Host-gatehouse=${good}` })).statusCode, 200)
})

/** The address to which Gatehouse sends a browser back, with a code for the host. */
async function callbackOf(browser: HostsBrowser, host = app1, next = '/page'): Promise<URL> {
  const start = await browser.get(host, `/forward-auth/login?next=${encodeURIComponent(next)}`)
  const request = new URL(String(start.headers.location))
  const { headers } = await browser.get(authHost, request.pathname + request.search)
  return new URL(String(headers.location))
}

t.test('a code of another browser logs nobody in', async (t) => {
  const service = await withHosts(t)
  const evil = openBrowser(service)
  await logInAt(service, evil)
  const sent = await callbackOf(evil, app1, '/x')
  const victim = openBrowser(service)
  const bare = await victim.get(app1, sent.pathname + sent.search)
  t.equal(bare.statusCode, 400, 'a browser that has started no login')
  t.match(bare.payload, 'This login has expired')
  await victim.get(app1, '/forward-auth/login?next=/mine')
  const { headers, statusCode } = await victim.get(app1, sent.pathname + sent.search)
  t.match({ statusCode, location: headers.location }, { statusCode: 303, location: '/x' })
  t.notOk(victim.jarOf(app1).has('__Host-gatehouse'))
  t.equal((await victim.visit(app1, { path: '/x' })).statusCode, 302, 'it has to log in itself')
  const [{ count } = { count: '' }] = await service.sql<{ count: string }>(
    'select count(*) from sessions where host is not null',
  )
  t.equal(count, '1')
})

t.test('a code counts once, for its host, for a minute, and with its state', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  browser.jarOf(app1).delete('__Host-gatehouse')
  const back = await callbackOf(browser)
  const change = (changes: Record<string, string | null>) => {
    const url = new URL(back)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(name)
      else url.searchParams.set(name, value)
    }
    return url.pathname + url.search
  }
  const state = back.searchParams.get('state')!
  for (const [name, changed] of Object.entries({
    'another issuer': change({ iss: 'https://evil.example' }),
    'no issuer': change({ iss: null }),
    'no state': change({ state: null }),
    'another state': change({ state: `${state.slice(0, -4)}AAAA` }),
    'an empty state': change({ state: '' }),
    'no code': change({ code: null }),
    'an error': change({ code: null, error: 'access_denied' }),
    'another code': change({ code: 'x'.repeat(43) }),
    'a long code': change({ code: 'x'.repeat(5_000) }),
  })) {
    const answer = await browser.get(app1, changed)
    t.equal(answer.statusCode, 400, name)
    t.notOk(browser.jarOf(app1).has('__Host-gatehouse'), name)
  }
  const marks = browser.jarOf(app1).get('__Host-gatehouse_login')!
  browser.jarOf(app2).set('__Host-gatehouse_login', marks)
  t.equal((await browser.get(app2, change({}))).statusCode, 400, 'on another host')
  const exchange = await service.app.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({
      ...{
        grant_type: 'authorization_code',
        client_id: 'gatehouse',
        code_verifier: 'x'.repeat(43),
      },
      code: back.searchParams.get('code')!,
      redirect_uri: `https://${app1}/forward-auth/callback`,
    }).toString(),
  })
  t.match(exchange.json(), { error: 'invalid_client' }, 'nobody else exchanges it')

  const parallel = await Promise.all(
    Array.from({ length: 20 }, () =>
      service.proxied(app1, change({}), { headers: { cookie: browser.cookieOf(app1), ...isHtml } }),
    ),
  )
  const set = parallel.filter(({ headers }) => String(headers['set-cookie']).includes('gatehouse='))
  t.equal(set.length, 1, 'twenty in parallel: one success')
  const cookie = String(set[0]!.headers['set-cookie']).split(';')[0]!
  t.equal((await service.ask(app1, { cookie })).statusCode, 401, 'the replay ended the session')
})

t.test('the page that sets the cookie can be loaded again', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  browser.jarOf(app1).delete('__Host-gatehouse')
  const back = await callbackOf(browser)
  for (let times = 0; times < 3; times += 1) {
    const { statusCode, headers } = await browser.get(app1, back.pathname + back.search)
    t.match({ statusCode, to: headers.location }, { statusCode: 303, to: '/page' })
  }
  t.equal((await browser.visit(app1)).statusCode, 200)
})

t.test('several tabs log in at the same time', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser, app2)
  const tabs = [await callbackOf(browser, app1, '/1'), await callbackOf(browser, app1, '/2')]
  for (const [at, url] of tabs.entries()) {
    const answer = await browser.get(app1, url.pathname + url.search)
    t.match(answer, { statusCode: 303, headers: { location: `/${at + 1}` } })
  }
  t.equal((await browser.visit(app1)).statusCode, 200)
})

t.test('a login that took more than an hour starts again', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  browser.jarOf(app1).delete('__Host-gatehouse')
  const back = await callbackOf(browser, app1, '/x')
  service.clock.ahead = 3_601
  const answer = await browser.get(app1, back.pathname + back.search)
  t.match(answer, { statusCode: 303, headers: { location: '/x' } })
  t.notOk(browser.jarOf(app1).has('__Host-gatehouse'))
})

const evil = 'evil.example'
/** Sixty ways to write an address that a careless check takes for a path of the host. */
const redirects = [
  ...[`//${evil}`, `///${evil}`, `////${evil}`, `/\\${evil}`, `\\\\${evil}`, `\\/${evil}`],
  ...[`https:${evil}`, `https:/${evil}`, `https://${evil}`, `https:///${evil}`, `http://${evil}`],
  ...[`//${evil}/%2f..`, `/%09/${evil}`, `/\t/${evil}`, `\t//${evil}`, ` //${evil}`, `/ /${evil}`],
  ...[`/\n/${evil}`, `/\r/${evil}`, `/\r\n/${evil}`, `/\0/${evil}`, `%0a//${evil}`, `//%0d${evil}`],
  ...[
    `https://${app1}@${evil}`,
    `https://${app1}:x@${evil}`,
    `https://${app1}.${evil}`,
    `@${evil}`,
  ],
  ...[
    `https://${app1}%2f@${evil}`,
    `https://${evil}#${app1}`,
    `https://${evil}?${app1}`,
    `.${evil}`,
  ],
  ...[`https://${evil}\\@${app1}`, `https://${evil}\\.${app1}`, `https://${app1}:443@${evil}`],
  ...[
    `javascript:alert(1)`,
    `JaVaScRiPt:alert(1)`,
    `data:text/html,x`,
    `vbscript:x`,
    `blob:https://${app1}/x`,
  ],
  ...[
    `file:///etc/passwd`,
    `ftp://${app1}/`,
    `ws://${app1}/`,
    `http://${app1}/`,
    `https://${app2}/`,
  ],
  ...[
    `https://${authHost}/`,
    `https://${app1}:8443/`,
    `/x/..//${evil}`,
    `/./\\/${evil}`,
    `/..//${evil}`,
  ],
  ...[
    `/x?next=//${evil}`,
    `/x#//${evil}`,
    `//${evil}:443/`,
    `//[::1]/`,
    `//0x7f.1/`,
    `//user@${evil}`,
  ],
  ...[
    `/\u2028/${evil}`,
    `/\u00a0/${evil}`,
    `／／${evil}`,
    `//${evil}\u3002x`,
    `//ｅｖｉｌ.example`,
    '',
  ],
]

t.test('no login leads to another host', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  t.ok(redirects.length >= 60, `${redirects.length} addresses`)
  const isOwn = (location: unknown) =>
    new URL(String(location), `https://${app1}`).origin === `https://${app1}`
  for (const address of redirects) {
    const name = encodeURIComponent(address)
    browser.jarOf(app1).delete('__Host-gatehouse')
    const start = await browser.get(app1, `/forward-auth/login?next=${name}`)
    const request = new URL(String(start.headers.location))
    t.equal(request.origin, `https://${authHost}`, name)
    t.equal(request.searchParams.get('redirect_uri'), `https://${app1}/forward-auth/callback`)
    const { headers } = await browser.get(authHost, request.pathname + request.search)
    const back = new URL(String(headers.location))
    t.equal(back.host, app1, name)
    const last = await browser.get(app1, back.pathname + back.search)
    t.equal(last.statusCode, 303, name)
    t.ok(isOwn(last.headers.location), `${name}: ${last.headers.location}`)
    if (!address.startsWith('/') && address !== '') continue
    const asked = await service.ask(app1, { path: address.replace(/[^!-~]/g, ''), headers: isHtml })
    const { location = `https://${app1}` } = asked.headers
    t.ok(isOwn(location), `as the page: ${name}: ${location}`)
  }
  const long = await browser.get(app1, `/forward-auth/login?next=/${'x'.repeat(1_500)}`)
  t.ok(String(long.headers.location).length < 2_000, 'and a long one is left out')
})

t.test('only a trusted proxy says which host it is', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  const token = await logInAt(service, browser)
  const cookie = `__Host-gatehouse=${token}; __Host-gatehouse_login=${'x'.repeat(22)}`
  const untrusted = await withHosts(t, { TRUST_PROXY: '10.0.0.0/8' })
  for (const { name, at } of [
    { name: 'an untrusted peer', at: untrusted },
    { name: 'without an address of the client', at: service },
  ]) {
    const spoof: Record<string, string> = name.startsWith('without')
      ? { 'x-forwarded-for': '' }
      : {}
    for (const path of ['/forward-auth/login', '/forward-auth/callback', '/forward-auth/logout'])
      t.equal(
        (await at.proxied(app1, path, { headers: spoof })).statusCode,
        404,
        `${name}: ${path}`,
      )
    const answer = await at.ask(app1, { cookie, headers: { ...isHtml, ...spoof } })
    t.match(answer, { statusCode: 401, headers: { location: undefined } }, name)
  }
  const spoofs: Record<string, string>[] = [
    { 'x-forwarded-host': evil },
    { 'x-forwarded-host': `${app1}.${evil}` },
    { 'x-forwarded-host': `${app1}, ${evil}` },
    { 'x-forwarded-host': `${evil}@${app1}` },
    { 'x-forwarded-host': `${app1}:8443` },
    { 'x-forwarded-host': `${app1}.` },
    { 'x-forwarded-host': '', host: evil },
    { 'x-forwarded-proto': 'http' },
    { 'x-forwarded-proto': 'javascript' },
  ]
  for (const headers of spoofs) {
    const name = JSON.stringify(headers)
    t.equal((await service.ask(app1, { cookie, headers })).statusCode, 401, name)
    for (const path of ['login', 'callback', 'logout'])
      t.equal(
        (await service.proxied(app1, `/forward-auth/${path}`, { headers })).statusCode,
        404,
        name,
      )
  }
  const same = { 'x-forwarded-host': `${app1.toUpperCase()}:443` }
  t.equal((await service.ask(app1, { cookie, headers: same })).statusCode, 200, 'the same host')
  t.equal(tokenAt(browser, app1), token)
})

t.test('a request that did not go through the login page of the host gets no code', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const query = {
    ...{ response_type: 'code', client_id: 'gatehouse', state: 'x' },
    ...{ code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' },
  }
  for (const uri of [
    `https://${app1}/forward-auth/callback/`,
    `https://${app1}/forward-auth/callback?x`,
    `https://${app1}/forward-auth/login`,
    `http://${app1}/forward-auth/callback`,
    `https://${app1}:8443/forward-auth/callback`,
    `https://${evil}/forward-auth/callback`,
    `https://${authHost}/forward-auth/callback`,
    `https://${app1}.${evil}/forward-auth/callback`,
    '/forward-auth/callback',
  ]) {
    const parameters = new URLSearchParams({ ...query, redirect_uri: uri }).toString()
    const answer = await browser.get(authHost, `/oauth/authorize?${parameters}`)
    t.match(answer, { statusCode: 400, headers: { location: undefined } }, uri)
  }
})

import t, { type Test } from 'tap'
import {
  createSessionCookies,
  type CookieName,
} from '../../../src/features/sessions/session-cookies.js'
import { ada, bearer, logIn, signUp, testApp, type TestApp } from '../../support/app.js'

type Headers = Record<string, string>

const https = { PUBLIC_URL: 'https://auth.example.org' }
const names = ({ cookies }: { cookies: { name: string }[] }) =>
  cookies.map(({ name }) => name).sort()

/** The headers by which Gatehouse detects a browser: one or more of these. */
const browsers: Record<string, Headers> = {
  'Sec-Fetch-Site': { 'sec-fetch-site': 'same-origin' },
  'Sec-Fetch-Mode': { 'sec-fetch-mode': 'cors' },
  'Sec-Fetch-Dest': { 'sec-fetch-dest': 'document' },
  'Sec-Fetch-User': { 'sec-fetch-user': '?1' },
  Origin: { origin: https.PUBLIC_URL },
  all: {
    origin: https.PUBLIC_URL,
    'sec-fetch-site': 'same-origin',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
  },
}
const all = browsers.all!

async function service(t: Test, env: Headers = https) {
  const test = await testApp(t, { env })
  const login = await signUp(test.app)
  const statusOf = async (cookie: string, headers: Headers = {}, url = '/api/user') =>
    (await test.app.inject({ url, headers: { ...headers, cookie } })).statusCode
  return { ...test, login, statusOf }
}

const logInWith = ({ app }: Pick<TestApp, 'app'>, headers: Headers, url = '/api/login') =>
  url === '/login'
    ? app.inject({
        method: 'POST',
        url,
        headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
        payload: new URLSearchParams({ username: ada.email, password: ada.password }).toString(),
      })
    : app.inject({ method: 'POST', url, headers, payload: ada })

t.test('over https a browser uses only cookies with the prefix __Host-', async (t) => {
  const test = await service(t)
  const { access_token, refresh_token } = test.login
  for (const [what, headers] of Object.entries(browsers)) {
    const login = await logInWith(test, headers)
    t.strictSame(names(login), ['__Host-device', '__Host-refresh', '__Host-session'], what)
    for (const line of [login.headers['set-cookie']].flat()) {
      t.match(line, /; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
      t.notMatch(line, /Domain/)
    }
    t.equal(await test.statusOf(`__Host-session=${access_token}`, headers), 200, what)
    for (const name of ['session', '__host-session', '__Secure-session', '\u00a0__Host-session']) {
      t.equal(await test.statusOf(`${name}=${access_token}`, headers), 401, `${what}: ${name}`)
    }
    const tossed = `session=x.y.z; session=x; __Host-session=${access_token}`
    t.equal(
      await test.statusOf(tossed, headers),
      200,
      `${what}: cookies of another host are ignored`,
    )
  }
  const page = await logInWith(test, all, '/login')
  t.strictSame(names(page), ['__Host-device', '__Host-flash', '__Host-refresh', '__Host-session'])
  const refresh = async (cookie: string) =>
    test.app.inject({ method: 'POST', url: '/api/refresh', headers: { ...all, cookie } })
  t.equal((await refresh(`refresh=${refresh_token}`)).statusCode, 401)
  const refreshed = await refresh(`__Host-refresh=${refresh_token}`)
  t.strictSame(names(refreshed), ['__Host-refresh', '__Host-session'])
})

t.test('over https a script can still use the cookie session', async (t) => {
  const test = await service(t)
  const login = await logInWith(test, {})
  t.strictSame(names(login), ['__Host-device', '__Host-refresh', '__Host-session', 'session'])
  const session = login.cookies.find(({ name }) => name === 'session')?.value ?? ''
  t.equal(await test.statusOf(`session=${session}`), 200)
  t.equal(
    await test.statusOf(`__Host-session=${session}`),
    200,
    'a cookie jar sends the prefixed name',
  )
  t.equal(await test.statusOf(`session=${session}; refresh=x; refresh=y`), 200)
  for (const name of ['device', 'refresh', 'flash']) {
    t.equal(
      await test.statusOf(`__Host-${name}=x; session=${session}`),
      401,
      'a client with prefixed cookies has a cookie jar',
    )
  }
  const out = await test.app.inject({
    method: 'POST',
    url: '/api/logout',
    headers: { cookie: `session=${session}` },
  })
  t.strictSame(names(out), ['__Host-refresh', '__Host-session', 'session'])
  t.equal(await test.statusOf(`session=${session}`), 401)
})

t.test('PUBLIC_URL or the scheme from a trusted proxy selects the cookie names', async (t) => {
  const table: [env: Headers, headers: Headers, isHttps: boolean][] = [
    [{ PUBLIC_URL: 'http://auth.example.org' }, {}, false],
    [{ PUBLIC_URL: 'http://auth.example.org' }, { 'x-forwarded-proto': 'https' }, true],
    [
      { PUBLIC_URL: 'http://auth.example.org', TRUST_PROXY: 'none' },
      { 'x-forwarded-proto': 'https' },
      false,
    ],
    [https, { 'x-forwarded-proto': 'http' }, true],
  ]
  for (const [env, headers, isHttps] of table) {
    const test = await testApp(t, { env })
    await signUp(test.app)
    const login = await logInWith(test, { 'sec-fetch-site': 'same-origin', ...headers })
    const expected = ['device', 'refresh', 'session']
    const prefixed = expected.map((name) => `__Host-${name}`)
    t.strictSame(names(login), isHttps ? prefixed : expected, JSON.stringify([env, headers]))
  }
})

for (const [what, env, prefix, from] of [
  ['plain http', { PUBLIC_URL: 'http://auth.example.org' }, '', {}],
  ['a browser over https', https, '__Host-', all],
  ['a script over https', https, '', {}],
] as [string, Headers, string, Headers][]) {
  t.test(`repeated cookies are refused and removed (${what})`, async (t) => {
    const test = await service(t, env)
    const { access_token, refresh_token } = test.login
    const session = `${prefix}session`
    const host = { host: 'auth.example.org', ...from }
    const twice = [
      `${session}=${access_token}; ${session}=x`,
      `${session}=x; ${session}=${access_token}`,
      `${session}=${access_token}; ${session}=${access_token}`,
      ...(what === 'a script over https'
        ? []
        : [`${prefix}refresh=x; ${session}=${access_token}; ${prefix}refresh=${refresh_token}`]),
    ]
    for (const cookie of twice) {
      const headers = { ...host, cookie }
      const answer = await test.app.inject({ url: '/api/user', headers })
      t.match(answer.json(), { code: 'invalid_token' }, cookie.slice(0, 30))
      t.equal(answer.statusCode, 401)
      for (const name of [
        `${prefix}session`,
        what.startsWith('a script') ? '' : `${prefix}refresh`,
      ]) {
        if (!name) continue
        const line = [answer.headers['set-cookie']]
          .flat()
          .find(
            (one) =>
              one?.startsWith(`${name}=;`) && !one.includes('Domain') && /Path=\/(;|$)/.test(one),
          )
        t.match(line, /Max-Age=0/, `${name} is removed`)
      }
      const doubled = /refresh/.test(cookie) ? `${prefix}refresh` : session
      const lines = [answer.headers['set-cookie']].flat()
      for (const place of [
        'Domain=example.org; Path=/',
        'Domain=example.org; Path=/api/user',
        'Path=/api',
      ]) {
        t.ok(lines.includes(`${doubled}=; Max-Age=0; ${place}`), `${doubled} ${place}`)
      }
      const page = await test.app.inject({
        url: '/welcome',
        headers: { ...headers, accept: 'text/html' },
      })
      t.match(page, { statusCode: 303, headers: { location: '/login?next=%2Fwelcome' } })
      t.ok(names(page).filter((name) => name === doubled).length > 1, 'all of them are removed')
      t.equal(
        (
          await test.app.inject({
            url: '/api/user',
            headers: { ...headers, ...bearer(access_token) },
          })
        ).statusCode,
        200,
        'with a bearer token the cookies are ignored',
      )
    }
    t.equal(
      await test.statusOf(`${session}=${access_token}`, host),
      200,
      'the session itself stays',
    )
  })
}

t.test('every repeated cookie is ignored', async (t) => {
  const names: CookieName[] = ['session', 'refresh', 'device', 'asker', 'flash', 'social']
  for (const [publicUrl, prefix] of [
    ['http://auth.example.org', ''],
    [https.PUBLIC_URL, '__Host-'],
  ] as const) {
    const { read } = createSessionCookies({ publicUrl, corsOrigins: [], refreshTtl: 60 })
    for (const name of names) {
      const valueIn = (cookie: string) => read({ headers: { ...all, cookie } } as never, name)
      const one = `${prefix}${name}=a`
      t.equal(valueIn(one), 'a')
      t.equal(valueIn(`${one}; ${prefix}${name}=b`), undefined, name)
    }
  }
})

t.test('over plain http the login replaces a cookie that another host set', async (t) => {
  const test = await service(t, { PUBLIC_URL: 'http://auth.example.org' })
  const host = { host: 'auth.example.org' }
  const { headers } = await logInWith(test, { ...host, cookie: 'session=tossed' }, '/login')
  const lines = [headers['set-cookie']].flat() as string[]
  const removed = lines.indexOf('session=; Max-Age=0; Domain=example.org; Path=/')
  const set = lines.findIndex((line) => /^session=ey/.test(line))
  t.ok(removed >= 0 && removed < set, 'the cookie is removed before the session is set')
  t.strictSame(names(await logInWith(test, host, '/login')), [
    'device',
    'flash',
    'refresh',
    'session',
  ])
})

t.test('behind a proxy the login page removes a repeated cookie of the page', async (t) => {
  const test = await service(t, { PUBLIC_URL: 'http://auth.example.org' })
  const { access_token } = test.login
  const says = {
    host: 'auth.example.org',
    'x-forwarded-for': '203.0.113.1',
    'x-forwarded-uri': '/app/page',
    accept: 'text/html',
  }
  const cookie = `session=x; session=${access_token}`
  const next = 'http://auth.example.org/login?next=%2Fapp%2Fpage&cookies=clear'
  for (const [method, status] of [
    [{}, 401],
    [{ 'x-forwarded-method': 'GET' }, 302],
  ] as const) {
    const headers = { ...says, ...method, cookie }
    const turned = await test.app.inject({ url: '/forward-auth', headers })
    t.match(turned, { statusCode: status, headers: { location: next } })
    t.ok(names(turned).includes('session'))
  }
  const own = { host: 'auth.example.org', cookie: `session=${access_token}` }
  const back = await test.app.inject({
    url: next.slice('http://auth.example.org'.length),
    headers: own,
  })
  t.match(back, { statusCode: 303, headers: { location: '/app/page' } })
  const lines = [back.headers['set-cookie']].flat()
  t.ok(lines.includes('session=; Max-Age=0; Path=/app'))
  t.notOk(
    lines.some((line) => !line?.includes('Domain') && /Path=\/(;|$)/.test(line ?? '')),
    'the session cookie stays',
  )
})

t.test('a login and a logout remove a refresh cookie without the prefix', async (t) => {
  const test = await service(t)
  const { refresh_token } = await logIn(test.app)
  const cookie = `refresh=${refresh_token}`
  const goes = ({ cookies }: { cookies: { name: string; value: string }[] }) =>
    cookies.some(({ name, value }) => name === 'refresh' && value === '')
  t.ok(goes(await logInWith(test, { ...all, cookie })))
  const headers = { ...all, cookie, accept: 'text/html' }
  t.ok(goes(await test.app.inject({ method: 'POST', url: '/logout', headers })))
})

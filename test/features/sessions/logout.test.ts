import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import type { App } from '../../../src/app.js'
import { ada, bearer, logIn, signUp, testApp } from '../../support/app.js'

const statusOf = async (app: App, headers: Record<string, string>) =>
  (await app.inject({ url: '/api/user', headers })).statusCode

t.test('a logout revokes both tokens of the session at once and clears the cookies', async (t) => {
  const { app, sql } = await testApp(t)
  const { access_token, refresh_token } = await signUp(app)
  const answer = await app.inject({
    method: 'POST',
    url: '/api/logout',
    headers: bearer(access_token),
  })
  t.match(answer.json(), { status: 'success', message: 'Logged out' })
  t.ok(
    answer.cookies.every(
      ({ value, expires }) => value === '' && expires && expires.getTime() === 0,
    ),
  )
  t.equal(await statusOf(app, bearer(access_token)), 401)
  const refreshed = await app.inject({
    method: 'POST',
    url: '/api/refresh',
    headers: bearer(refresh_token),
  })
  t.equal(refreshed.statusCode, 401)
  t.equal((await sql('select from token_denylist')).length, 1)
})

t.test('everywhere ends every session of the user', async (t) => {
  const { app } = await testApp(t)
  const logins = [await signUp(app), await logIn(app), await logIn(app)]
  await signUp(app, { email: 'grace@example.org', password: ada.password })
  const other = await logIn(app, { email: 'grace@example.org', password: ada.password })
  const payload = { everywhere: true }
  const [first] = logins
  await app.inject({
    method: 'POST',
    url: '/api/logout',
    headers: bearer(first?.access_token ?? ''),
    payload,
  })
  for (const { access_token } of logins) t.equal(await statusOf(app, bearer(access_token)), 401)
  t.equal(await statusOf(app, bearer(other.access_token)), 200)
})

t.test('the cookie authenticates, but not changes from another site', async (t) => {
  const { app } = await testApp(t, { env: { CORS_ORIGINS: 'https://www.example.org' } })
  const { access_token } = await signUp(app)
  const cookie = `session=${access_token}`
  t.equal(await statusOf(app, { cookie }), 200)
  const attempt = async (headers: IncomingHttpHeaders) =>
    (await app.inject({ method: 'POST', url: '/api/logout', headers: { cookie, ...headers } }))
      .statusCode
  const refused = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://localhost:3000' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
  ]
  for (const headers of refused) t.equal(await attempt(headers), 403, JSON.stringify(headers))
  t.equal(await statusOf(app, { cookie }), 200)
  t.equal(await attempt({ origin: 'http://localhost:3000' }), 200)
  t.equal(await statusOf(app, { cookie }), 401)
  for (const headers of [
    {}, // a client that is not a browser
    { 'sec-fetch-site': 'same-origin' },
    { origin: 'https://www.example.org', 'sec-fetch-site': 'same-site' },
  ]) {
    const again = await logIn(app)
    const answer = await app.inject({
      method: 'POST',
      url: '/api/logout',
      headers: { cookie: `session=${again.access_token}`, ...headers },
    })
    t.equal(answer.statusCode, 200, JSON.stringify(headers))
  }
})

t.test('with an invalid Authorization header the cookie is ignored', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app)
  const cookie = `session=${access_token}`
  for (const authorization of [
    'Basic YTpi',
    'Bearer',
    'Bearer garbage',
    '',
    `Token ${access_token}`,
  ]) {
    t.equal(await statusOf(app, { cookie, authorization }), 401, authorization)
  }
})

t.test('the body is optional, but is validated strictly', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app)
  for (const payload of [{ everywhere: 'yes' }, { everywhere: 1 }, { sid: 'x' }]) {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/logout',
      headers: bearer(access_token),
      payload,
    })
    t.equal(answer.json<{ code: string }>().code, 'validation_failed')
  }
  const headers = { ...bearer(access_token), 'content-type': 'application/json' }
  const empty = await app.inject({ method: 'POST', url: '/api/logout', headers })
  t.equal(empty.statusCode, 200, 'an empty JSON body counts as no body')
})

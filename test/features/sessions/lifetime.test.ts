import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { App } from '../../../src/app.js'
import { bearer, logIn, signUp, testApp, type LoginAnswer } from '../../support/app.js'

const refresh = (app: App, refresh_token: string) =>
  app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp: number }

const isAlive = async (app: App, token: string) =>
  (await app.inject({ url: '/api/user', headers: bearer(token) })).statusCode === 200

t.test('a session ends at its absolute lifetime, even if it is refreshed', async (t) => {
  const { app, sql } = await testApp(t, {
    env: { REFRESH_TOKEN_TTL: '2s', ACCESS_TOKEN_TTL: '1h' },
  })
  const login = await signUp(app)
  t.ok(login.expires_in <= 2, 'an access token does not outlive its session')
  const next = (await refresh(app, login.refresh_token)).json<LoginAnswer>()
  t.equal(claimsOf(next.refresh_token).exp, claimsOf(login.refresh_token).exp)
  await sql(`update sessions set expires_at = now()`)
  t.equal((await refresh(app, next.refresh_token)).statusCode, 401)
  await sleep(2_100)
  t.notOk(await isAlive(app, next.access_token))
})

t.test('a session ends if it is not refreshed within SESSION_IDLE_TTL', async (t) => {
  const { app, sql } = await testApp(t, { env: { SESSION_IDLE_TTL: '1h' } })
  const first = await signUp(app)
  const now = Date.now() / 1_000
  t.ok(
    Math.abs(claimsOf(first.refresh_token).exp - now - 3_600) < 60,
    'the refresh token has the idle end as its exp',
  )
  await sql(`update sessions set rotated_at = now() - interval '59 minutes'`)
  const second = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
  t.ok(
    Math.abs(claimsOf(second.refresh_token).exp - now - 3_600) < 60,
    'a refresh extends the session',
  )

  await sql(`update sessions set rotated_at = now() - interval '59 minutes 50 seconds'`)
  const [row] = (await list(app, second)).json<{ sessions: { expires_at: string }[] }>().sessions
  t.ok(
    Math.abs(Date.parse(row?.expires_at ?? '') / 1_000 - now - 10) < 10,
    'the list has the idle end',
  )

  await sql(`update sessions set rotated_at = now() - interval '61 minutes'`)
  t.equal((await refresh(app, second.refresh_token)).statusCode, 401)
  t.equal((await refresh(app, first.refresh_token)).statusCode, 401)
  const other = await logIn(app)
  t.equal((await list(app, other)).json<{ sessions: unknown[] }>().sessions.length, 1)
})

t.test('an access token expires at the idle end of its session at the latest', async (t) => {
  const { app, sql } = await testApp(t, {
    env: { SESSION_IDLE_TTL: '15m', REFRESH_GRACE: '1h' },
  })
  const first = await signUp(app)
  await refresh(app, first.refresh_token)
  await sql(`update sessions set rotated_at = now() - interval '14 minutes'`)
  const again = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
  t.ok(again.expires_in <= 61, `${again.expires_in} s`)
})

t.test('a login above SESSIONS_PER_USER ends the least recently used session', async (t) => {
  const { app, sql } = await testApp(t, { env: { SESSIONS_PER_USER: '3' } })
  const logins = [await signUp(app)]
  for (let nth = 0; nth < 2; nth += 1) logins.push(await logIn(app))
  const stranger = await signUp(app, {
    email: 'eve@example.org',
    password: 'correct horse battery',
  })
  const [first, second, third] = logins as [LoginAnswer, LoginAnswer, LoginAnswer]
  const used = (await refresh(app, first.refresh_token)).json<LoginAnswer>()

  const fourth = await logIn(app)
  t.notOk(await isAlive(app, second.access_token), 'at once')
  t.equal((await refresh(app, second.refresh_token)).statusCode, 401)
  for (const { access_token } of [used, third, fourth, stranger]) {
    t.ok(await isAlive(app, access_token))
  }
  t.match(await sql(`select detail from audit_log where event = 'session.ended'`), [
    { detail: { ended: 1, most: 3 } },
  ])

  await Promise.all(Array.from({ length: 20 }, () => logIn(app)))
  await logIn(app)
  t.match(await sql('select count(*)::integer from sessions group by user_id order by 1'), [
    { count: 1 },
    { count: 3 },
  ])
})

t.test('a new session is kept, even if another session has a later time', async (t) => {
  const { app, sql } = await testApp(t, { env: { SESSIONS_PER_USER: '1' } })
  const first = await signUp(app)
  await sql(`update sessions set rotated_at = now() + interval '1 second'`)
  const second = await logIn(app)
  t.ok(await isAlive(app, second.access_token))
  t.equal((await refresh(app, second.refresh_token)).statusCode, 200)
  t.notOk(await isAlive(app, first.access_token))
})

const list = (app: App, { access_token }: LoginAnswer) =>
  app.inject({ url: '/api/sessions', headers: bearer(access_token) })

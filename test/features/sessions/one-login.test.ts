import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { ada, bearer, isRefused, logIn, signUp, testApp, type TestApp } from '../../support/app.js'
import { claimsOf } from '../../support/oauth.js'
import { passGrace } from '../../support/pass-time.js'
import { openRelated, type Related } from '../../support/related.js'

type Login = { first: Related; second: Related; third: Related; other: Related }

/** A login with the sessions of two apps, and another login of the same user. */
async function oneLogin(t: Test, env: Record<string, string> = {}) {
  const service = await testApp(t, { env })
  const first = await signUp(service.app)
  const second = await openRelated(service, first.access_token)
  const third = await openRelated(service, second.access_token)
  const other = await logIn(service.app)
  return { ...service, first, second, third, other }
}

const sidOf = ({ access_token }: Related) => String(claimsOf(access_token).sid)

async function statesOf({ app }: TestApp, { first, second, third, other }: Login) {
  const states = []
  for (const { access_token, refresh_token } of [first, second, third, other]) {
    const refused = await isRefused(app, access_token)
    const payload = { refresh_token }
    const { statusCode } = await app.inject({ method: 'POST', url: '/api/refresh', payload })
    states.push(
      refused && statusCode === 401 ? 'ended' : !refused && statusCode === 200 ? 'alive' : 'half',
    )
  }
  return states.join(' ')
}

const api = (
  { app }: TestApp,
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  { access_token }: Related,
) => app.inject({ method, url, headers: bearer(access_token) })

t.test('the sessions of a login have its time and its method', async (t) => {
  const { first, second, third, sql } = await oneLogin(t)
  const { auth_time, sid } = claimsOf(first.access_token)
  t.ok(Math.abs(Number(auth_time) - Date.now() / 1_000) < 10)
  for (const { access_token } of [first, second, third]) {
    t.match(claimsOf(access_token), { auth_time, amr: ['pwd'] })
  }
  const rows = await sql<{ login_id: string }>(
    'select login_id from sessions where login_id is not null',
  )
  t.strictSame(rows, [{ login_id: sid }, { login_id: sid }], 'also the one opened from another one')
})

t.test('a refresh keeps the time of the login', async (t) => {
  const { app, sql, first } = await oneLogin(t)
  await sql(`update sessions set auth_time = created_at - interval '1 hour'`)
  const payload = { refresh_token: first.refresh_token }
  const answer = await app.inject({ method: 'POST', url: '/api/refresh', payload })
  const { auth_time } = claimsOf(answer.json<Related>().access_token)
  t.equal(auth_time, Number(claimsOf(first.access_token).auth_time) - 3_600)
})

t.test('a session of an earlier build was proven when it was opened', async (t) => {
  const { app, sql } = await testApp(t)
  const { refresh_token } = await signUp(app)
  await sql(`update sessions set auth_time = null, amr = null, created_at = '2026-01-02 03:04:05Z'`)
  const payload = { refresh_token }
  const answer = await app.inject({ method: 'POST', url: '/api/refresh', payload })
  const { auth_time, amr } = claimsOf(answer.json<Related>().access_token)
  t.strictSame(
    { auth_time, amr },
    { auth_time: Date.parse('2026-01-02T03:04:05Z') / 1_000, amr: undefined },
  )
})

t.test('the list shows a login once, and marks it from each of its sessions', async (t) => {
  const test = await oneLogin(t)
  for (const client of [test.first, test.second, test.third]) {
    const { sessions } = (await api(test, 'GET', '/api/sessions', client)).json<{
      sessions: object[]
    }>()
    t.match(sessions, [
      { id: sidOf(test.other), current: false },
      { id: sidOf(test.first), current: true },
    ])
    t.equal(sessions.length, 2)
  }
})

const endings: Record<string, (test: TestApp & Login) => Promise<unknown>> = {
  'a logout of the first session': (test) => api(test, 'POST', '/api/logout', test.first),
  'a logout of another session': (test) => api(test, 'POST', '/api/logout', test.third),
  'the list, by the entry': (test) =>
    api(test, 'DELETE', `/api/sessions/${sidOf(test.first)}`, test.other),
  'the list, by another session': (test) =>
    api(test, 'DELETE', `/api/sessions/${sidOf(test.second)}`, test.other),
  'keep=current of another login': (test) =>
    api(test, 'DELETE', '/api/sessions?keep=current', test.other),
  'the older API': (test) =>
    api(test, 'DELETE', `/api/v1/tokens/${sidOf(test.second)}`, test.other),
  'the revocation of a refresh token': ({ app, second }) =>
    app.inject({
      method: 'POST',
      url: '/oauth/revoke',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: `token=${second.refresh_token}`,
    }),
  'a spent refresh token': async ({ app, sql, second }) => {
    const payload = { refresh_token: second.refresh_token }
    const refresh = { method: 'POST', url: '/api/refresh', payload } as const
    const next = (await app.inject(refresh)).json<Related>()
    await app.inject({ url: '/api/user', headers: bearer(next.access_token) })
    await passGrace(sql)
    await app.inject(refresh)
  },
}

for (const [name, end] of Object.entries(endings)) {
  t.test(`all sessions of a login end by ${name}, and no other`, async (t) => {
    const test = await oneLogin(t)
    await end(test)
    t.equal(await statesOf(test, test), 'ended ended ended alive')
  })
}

t.test('keep=current keeps the sessions of this login', async (t) => {
  const test = await oneLogin(t)
  t.match((await api(test, 'DELETE', '/api/sessions?keep=current', test.second)).json(), {
    ended: 1,
  })
  t.equal(await statesOf(test, test), 'alive alive alive ended')
})

t.test('SESSIONS_PER_USER counts logins, and a login over it ends all of the oldest', async (t) => {
  const test = await oneLogin(t, { SESSIONS_PER_USER: '2' })
  t.equal(await statesOf(test, test), 'alive alive alive alive')
  await test.sql(`update sessions set rotated_at = now() - interval '1 hour' where id <> $1`, [
    sidOf(test.other),
  ])
  await logIn(test.app)
  t.equal(await statesOf(test, test), 'ended ended ended alive')
})

t.test('a login has at most SESSIONS_PER_USER further sessions', async (t) => {
  const test = await oneLogin(t, { SESSIONS_PER_USER: '2' })
  await test.sql(`update sessions set rotated_at = now() - interval '1 hour' where id = $1`, [
    sidOf(test.second),
  ])
  await openRelated(test, test.third.access_token)
  t.equal(await statesOf(test, test), 'alive ended alive alive', 'the one used least recently')
})

t.test('a session that is opened while its login ends does not outlive it', async (t) => {
  for (let round = 0; round < 10; round += 1) {
    const test = await oneLogin(t)
    const [opened] = await Promise.allSettled([
      openRelated(test, test.first.access_token),
      api(test, 'POST', '/api/logout', test.first),
    ])
    t.match(await test.sql('select id from sessions'), [{ id: sidOf(test.other) }])
    if (opened.status === 'rejected') continue
    const denied = await test.sql('select from token_denylist where id = $1', [sidOf(opened.value)])
    t.equal(denied.length, 1, 'its access token is denied')
  }
})

t.test(
  'a session of an ended login, an unknown one or a disabled user opens no other',
  async (t) => {
    const test = await oneLogin(t)
    await api(test, 'POST', '/api/logout', test.first)
    await t.rejects(openRelated(test, test.first.access_token), /not opened/)
    await t.rejects(
      openRelated(test, test.other.access_token, { from_id: randomUUID() }),
      /not opened/,
    )
    await test.sql('update users set disabled_at = now()')
    await t.rejects(openRelated(test, test.other.access_token), /not opened/)
  },
)

t.test('a login from an app is not a recent login of its own', async (t) => {
  const test = await testApp(t)
  const first = await signUp(test.app, ada)
  await test.sql(`update sessions set auth_time = now() - interval '6 minutes'`)
  const { access_token } = await openRelated(test, first.access_token)
  const answer = await test.app.inject({
    method: 'DELETE',
    url: '/api/user',
    headers: bearer(access_token),
    payload: {},
  })
  t.match(answer.json(), { code: /validation_failed|reauthentication_required/ })
})

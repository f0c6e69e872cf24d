import t from 'tap'
import type { App } from '../../../src/app.js'
import { bearer, isRefused, logIn, signUp, testApp, type LoginAnswer } from '../../support/app.js'
import { passGrace, passTime } from '../../support/pass-time.js'
import { grace, present, refreshCases } from '../../support/refresh-cases.js'
import { until } from '../../support/until.js'

const refresh = (app: App, refresh_token: string) =>
  app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

const isAlive = async (app: App, token: string) =>
  (await app.inject({ url: '/api/user', headers: bearer(token) })).statusCode === 200

t.test('a refresh token is accepted in the body, as Bearer and in its cookie', async (t) => {
  const { app } = await testApp(t)
  let { refresh_token } = await signUp(app)
  const ways = [
    (token: string) => ({ payload: { refresh_token: token } }),
    (token: string) => ({ headers: bearer(token) }),
    (token: string) => ({
      headers: { cookie: `refresh=${token}`, 'sec-fetch-site': 'same-origin' },
    }),
    (token: string) => ({ headers: bearer('of.another.kind'), payload: { refresh_token: token } }),
  ]
  for (const way of ways) {
    const answer = await app.inject({ method: 'POST', url: '/api/refresh', ...way(refresh_token) })
    t.equal(answer.statusCode, 200)
    t.match(answer.json(), { status: 'success', token_type: 'Bearer', expires_in: 900 })
    t.same(
      answer.cookies.map(({ name }) => name),
      ['session', 'refresh'],
    )
    refresh_token = answer.json<LoginAnswer>().refresh_token
    t.ok(await isAlive(app, answer.json<LoginAnswer>().access_token))
  }
})

t.test('another site cannot refresh with the cookie', async (t) => {
  const { app } = await testApp(t)
  const { refresh_token } = await signUp(app)
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
    const cookie = `refresh=${refresh_token}`
    const answer = await app.inject({
      method: 'POST',
      url: '/api/refresh',
      headers: { ...headers, cookie },
    })
    t.equal(answer.statusCode, 403)
  }
})

t.test('concurrent uses of one token are one rotation, and the session stays', async (t) => {
  const { app, sql } = await testApp(t)
  const { refresh_token } = await signUp(app)
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(app, refresh_token)))
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  const successors = answers.map((answer) => claimsOf(answer.json<LoginAnswer>().refresh_token))
  t.equal(new Set(successors.map((claims) => JSON.stringify(claims))).size, 1)
  t.match(await sql('select generation from sessions'), [{ generation: 1 }])
})

t.test('the database applies the decision of the refresh rule', async (t) => {
  const { app, sql } = await testApp(t, { env: { REFRESH_GRACE: `${grace}s` } })
  const tokens = [(await signUp(app)).refresh_token]
  while (tokens.length <= present + 1) {
    tokens.push((await refresh(app, tokens.at(-1) ?? '')).json<LoginAnswer>().refresh_token)
    await passTime(sql, '1 hour')
  }
  await sql('create table kept as select * from sessions')
  for (const { name, generation = present, presented, decision, ...one } of refreshCases) {
    const { spentAgo, isUsed = false, repeats = 0 } = one
    await sql('delete from sessions')
    await sql('insert into sessions select * from kept')
    await sql(
      `update sessions set generation = $1, used_generation = $2, repeats = $3,
         rotated_at = now() - make_interval(secs => coalesce(($4::float8[])[cardinality($4::float8[])], 3600)),
         spent_at = array(select now() - make_interval(secs => ago)
           from unnest($4::float8[]) with ordinality as spent (ago, nth) order by nth)`,
      [generation, isUsed ? generation : 0, repeats, spentAgo],
    )
    const [before] = await sql<{ count: number }>('select count(*)::integer from audit_log')
    const answer = await refresh(app, tokens[presented] ?? '')
    const [row] = await sql<{ generation: number; repeats: number }>('select * from sessions')
    const [entry] = await sql<{ event: string }>(
      'select event from audit_log order by id offset $1',
      [before?.count],
    )
    const found = {
      status: answer.statusCode,
      gen: row && claimsOf(answer.json<LoginAnswer>().refresh_token).gen,
      generation: row?.generation,
      repeats: row?.repeats,
      event: entry?.event,
    }
    const stays = { status: 200, gen: generation, generation, repeats, event: undefined }
    const outcomes = {
      rotate: { ...stays, gen: generation + 1, generation: generation + 1 },
      repeat: stays,
      repeat_late: { ...stays, repeats: repeats + 1, event: 'session.refresh_repeated' },
      reuse: {
        status: 401,
        gen: undefined,
        generation: undefined,
        repeats: undefined,
        event: 'session.refresh_reuse',
      },
    }
    t.strictSame(found, outcomes[decision], name)
  }
})

t.test('a session remembers only as many generations as fit into the grace', async (t) => {
  const { app, sql } = await testApp(t, { env: { REFRESH_GRACE: '1m' } })
  const tokens = [(await signUp(app)).refresh_token]
  const young: unknown[] = []
  for (let nth = 1; nth <= 14; nth += 1) {
    tokens.push((await refresh(app, tokens.at(-1) ?? '')).json<LoginAnswer>().refresh_token)
    const again = await refresh(app, tokens.at(-1) ?? '')
    young.push(claimsOf(again.json<LoginAnswer>().refresh_token).gen)
    await passTime(sql, '12 seconds')
  }
  t.same(young, [...tokens.keys()].slice(1), 'a young generation is repeated')
  const [row] = await sql('select cardinality(spent_at) as remembered from sessions')
  t.same(row, { remembered: 12 })
  for (const old of [13, 12, 11]) {
    const repeated = await refresh(app, tokens[old] ?? '')
    t.equal(claimsOf(repeated.json<LoginAnswer>().refresh_token).gen, 14)
  }
  t.equal((await refresh(app, tokens[8] ?? '')).statusCode, 401)
})

t.test('a session row from before the upgrade, without spent_at, can be refreshed', async (t) => {
  const { app, sql } = await testApp(t, { env: { REFRESH_GRACE: '1m' } })
  const first = await signUp(app)
  const second = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
  t.ok(await isAlive(app, second.access_token))
  await sql(`update sessions set spent_at = '{}', rotated_at = now() - interval '7 seconds'`)
  t.equal((await refresh(app, first.refresh_token)).statusCode, 200, 'within the grace')
  const third = (await refresh(app, second.refresh_token)).json<LoginAnswer>()
  t.equal(claimsOf(third.refresh_token).gen, 2)
  t.equal((await refresh(app, second.refresh_token)).statusCode, 200)
})

t.test('after the grace a spent token ends its session and access tokens', async (t) => {
  const { app, sql } = await testApp(t)
  // The mark of use is written in the background, and skips a session that passTime() has locked.
  const unused = `select from sessions where used_generation < generation`
  const untilMarked = () => until(async () => (await sql(unused)).length === 0, 'the mark of use')
  const uses = {
    'its access token': async (next: LoginAnswer) => {
      await isAlive(app, next.access_token)
      await untilMarked()
    },
    'its access token, at a route that refuses it': async (next: LoginAnswer) => {
      await app.inject({ url: '/api/users', headers: bearer(next.access_token) })
      await untilMarked()
    },
    'its access token, at a proxy': async (next: LoginAnswer) => {
      await app.inject({ url: '/forward-auth', headers: bearer(next.access_token) })
      await untilMarked()
    },
    'its refresh token': async (next: LoginAnswer) => {
      await passTime(sql, '6 seconds')
      await refresh(app, next.refresh_token)
    },
  }
  await signUp(app)
  for (const [what, use] of Object.entries(uses)) {
    const first = await logIn(app)
    const second = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
    await use(second)
    await passGrace(sql)
    t.equal((await refresh(app, first.refresh_token)).statusCode, 401, `used: ${what}`)
    t.notOk(await isAlive(app, second.access_token))
    t.equal((await refresh(app, second.refresh_token)).statusCode, 401)
    t.equal((await sql('select from sessions')).length, 1, 'other sessions stay')
  }
})

t.test('a client whose answer was lost can repeat the refresh at any time', async (t) => {
  const { app, sql } = await testApp(t)
  const first = await signUp(app)
  const lost = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
  t.ok(await isAlive(app, first.access_token), 'a use of the previous access token does not count')
  await passTime(sql, '3 days')
  const again = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
  t.match(claimsOf(again.refresh_token), { gen: 1, sid: claimsOf(lost.refresh_token).sid })
  t.ok(await isAlive(app, again.access_token))
  await passGrace(sql)
  const next = await refresh(app, again.refresh_token)
  t.equal(next.statusCode, 200, 'the session continues')
  t.equal((await refresh(app, first.refresh_token)).statusCode, 401, 'the first token is spent')
  t.notOk(await isAlive(app, next.json<LoginAnswer>().access_token))
})

t.test('tabs that repeat a refresh whose answer was lost get the same pair', async (t) => {
  const { app, sql } = await testApp(t, { env: { REFRESH_GRACE: '10m' } })
  const first = await signUp(app)
  await refresh(app, first.refresh_token)
  await passTime(sql, '1 hour')
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => refresh(app, first.refresh_token)),
  )
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  const pairs = answers.map((answer) => answer.json<LoginAnswer>())
  t.same(new Set(pairs.map(({ refresh_token }) => claimsOf(refresh_token).gen)), new Set([1]))
  t.ok(await isAlive(app, pairs[0]?.access_token ?? ''))
  const late = await refresh(app, first.refresh_token)
  t.equal(late.statusCode, 200, 'a later tab, although the pair was used')
  const next = await refresh(app, pairs[0]?.refresh_token ?? '')
  t.equal(
    claimsOf(next.json<LoginAnswer>().refresh_token).gen,
    1,
    'the repeated pair has a new minimum age',
  )
  t.equal((await sql(`select from audit_log where event = 'session.refresh_repeated'`)).length, 1)
})

t.test('a token used on one instance counts as used on the other', async (t) => {
  const { app, sql, url } = await testApp(t)
  const { app: other } = await testApp(t, { url })
  const first = await signUp(app)
  const second = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
  t.ok(await isAlive(other, second.access_token))
  await until(
    async () => (await sql('select from sessions where used_generation = 1')).length === 1,
    'the mark of use',
  )
  await passGrace(sql)
  t.equal((await refresh(app, first.refresh_token)).statusCode, 401)
})

t.test(
  'a token two generations back gets the present pair within the grace, then ends the session',
  async (t) => {
    const { app, sql } = await testApp(t, { env: { REFRESH_GRACE: '1m' } })
    const first = await signUp(app)
    const second = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
    await passTime(sql, '6 seconds')
    const third = (await refresh(app, second.refresh_token)).json<LoginAnswer>()
    t.ok(await isAlive(app, third.access_token))
    const again = (await refresh(app, first.refresh_token)).json<LoginAnswer>()
    t.same(claimsOf(again.refresh_token), claimsOf(third.refresh_token))
    await passTime(sql, '55 seconds')
    t.equal((await refresh(app, first.refresh_token)).statusCode, 401)
    t.notOk(await isAlive(app, third.access_token))
  },
)

t.test('an access token cannot refresh, and a refresh token does not authenticate', async (t) => {
  const { app } = await testApp(t)
  const { access_token, refresh_token } = await signUp(app)
  t.equal((await refresh(app, access_token)).statusCode, 401)
  t.notOk(await isAlive(app, refresh_token))
})

t.test('a disabled user cannot refresh', async (t) => {
  const { app, sql } = await testApp(t)
  const { refresh_token, access_token } = await signUp(app)
  await sql('update users set disabled_at = now()')
  t.equal((await refresh(app, refresh_token)).statusCode, 401)
  await until(() => isRefused(app, access_token), 'the access token to end')
})

t.test(
  'after a change of roles the token is stale, and a refresh returns a valid one',
  async (t) => {
    const { app, sql } = await testApp(t)
    const { refresh_token, access_token } = await signUp(app)
    await sql(`insert into user_roles select id, 'admin' from users`)
    await sql('update users set epoch = epoch + 1')
    await until(() => isRefused(app, access_token), 'the access token to end')
    const stale = await app.inject({ url: '/api/user', headers: bearer(access_token) })
    t.match(stale.json(), { code: 'token_stale' })
    t.equal(stale.statusCode, 401)
    const next = (await refresh(app, refresh_token)).json<LoginAnswer>()
    t.same(claimsOf(next.access_token).roles, ['admin', 'user'])
    t.ok(await isAlive(app, next.access_token))
  },
)

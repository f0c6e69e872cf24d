import t, { type Test } from 'tap'
import { bearer, signUp, testApp, type LoginAnswer } from '../../support/app.js'
import { addClient, post } from '../../support/oauth.js'
import { passGrace } from '../../support/pass-time.js'
import { until } from '../../support/until.js'

// A thief has a copy of the victim's refresh token. Either of them may use it first. Unless a test says otherwise,
// Gatehouse sees no access token, because only other services verify them, with the JWK set.

async function stolen(t: Test) {
  const service = await testApp(t)
  const { app, sql } = service
  const login = await signUp(app)

  /** Refreshes, then waits until the grace is over. Undefined if the refresh is refused. */
  async function refresh({ refresh_token }: LoginAnswer): Promise<LoginAnswer | undefined> {
    const payload = { refresh_token }
    const answer = await app.inject({ method: 'POST', url: '/api/refresh', payload })
    await passGrace(sql)
    return answer.statusCode === 200 ? answer.json<LoginAnswer>() : undefined
  }

  async function mustRefresh(pair: LoginAnswer): Promise<LoginAnswer> {
    const next = await refresh(pair)
    if (!next) throw new Error('the refresh was refused')
    return next
  }

  const events = async () => {
    const rows = await sql<{ event: string }>(
      `select event from audit_log where event like 'session.refresh%' order by id`,
    )
    return rows.map(({ event }) => event.replace('session.refresh_', ''))
  }

  const isOver = async () => (await sql('select from sessions')).length === 0

  return { ...service, login, refresh, mustRefresh, events, isOver }
}

const isAlive = async ({ app }: Awaited<ReturnType<typeof stolen>>, pair: LoginAnswer) =>
  (await app.inject({ url: '/api/user', headers: bearer(pair.access_token) })).statusCode === 200

t.test('alternating refreshes of thief and victim are detected at the second repeat', async (t) => {
  const service = await stolen(t)
  const { login, refresh, events, isOver } = service
  let [victim, thief] = [login, login]
  const refused: string[] = []
  for (let generation = 0; generation < 6 && refused.length === 0; generation += 1) {
    const taken = await refresh(victim)
    if (taken) victim = taken
    else refused.push('victim')
    const copied = await refresh(thief)
    if (copied) thief = copied
    else refused.push('thief')
  }
  t.strictSame(await events(), ['repeated', 'reuse'])
  t.ok(await isOver())
  t.notOk(await isAlive(service, victim))
  t.notOk(await isAlive(service, thief))
})

t.test('a thief two generations ahead is detected when the victim refreshes', async (t) => {
  const { login, refresh, mustRefresh, events, isOver } = await stolen(t)
  const thief = await mustRefresh(await mustRefresh(login))
  t.equal(await refresh(login), undefined, 'two generations back')
  t.strictSame(await events(), ['reuse'])
  t.equal(await refresh(thief), undefined)
  t.ok(await isOver())
})

t.test('a rotation does not reset the count of repeats', async (t) => {
  const { login, refresh, mustRefresh, events, isOver } = await stolen(t)
  const second = await mustRefresh(login)
  await mustRefresh(login)
  let pair = second
  let before = login
  for (let nth = 0; nth < 4; nth += 1) {
    before = pair
    pair = await mustRefresh(pair)
  }
  t.equal(await refresh(before), undefined)
  t.strictSame(await events(), ['repeated', 'reuse'])
  t.ok(await isOver())
})

t.test(
  'an access token of an earlier generation does not reset the count of repeats',
  async (t) => {
    const service = await stolen(t)
    const { login, refresh, mustRefresh, events } = service
    const second = await mustRefresh(login)
    const third = await mustRefresh(second)
    await mustRefresh(second)
    t.ok(await isAlive(service, second))
    t.ok(await isAlive(service, login))
    t.equal(await refresh(second), undefined)
    t.strictSame(await events(), ['repeated', 'reuse'])
    t.notOk(await isAlive(service, third))
  },
)

t.test(
  'an access token of the present generation resets the count of repeats, wherever it is used',
  async (t) => {
    const service = await stolen(t)
    const { app, sql, login, refresh, mustRefresh, events } = service
    const client = await addClient(service)
    const places = {
      'a route of Gatehouse': (pair: LoginAnswer) => isAlive(service, pair),
      'forward-auth': async ({ access_token }: LoginAnswer) =>
        (await app.inject({ url: '/forward-auth', headers: bearer(access_token) })).statusCode ===
        200,
      introspection: async ({ access_token }: LoginAnswer) =>
        (await post(app, 'introspect', { token: access_token }, client)).json<{ active: boolean }>()
          .active,
    }
    let pair = login
    for (const [place, show] of Object.entries(places)) {
      await mustRefresh(pair) // its answer is lost
      const again = await mustRefresh(pair)
      t.ok(await show(again), place)
      const isReset = async () => (await sql('select from sessions where repeats = 0')).length === 1
      await until(isReset, 'the mark of use')
      pair = again
    }
    t.strictSame(await events(), ['repeated', 'repeated', 'repeated'])
    await mustRefresh(pair)
    await mustRefresh(pair)
    t.equal(await refresh(pair), undefined, 'the second repeat in a row is refused')
  },
)

t.test('the audit log has the address and user agent of a repeat', async (t) => {
  const { app, sql, login, mustRefresh } = await stolen(t)
  await mustRefresh(login)
  await app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token: login.refresh_token },
    remoteAddress: '203.0.113.9',
    headers: { 'user-agent': 'Other/1.0' },
  })
  const [session] = await sql<{ id: string }>('select id from sessions')
  t.match(await sql(`select * from audit_log where event = 'session.refresh_repeated'`), [
    {
      user_id: login.user.id,
      address: '203.0.113.9',
      user_agent: 'Other/1.0',
      detail: { session: session?.id },
    },
  ])
})

import t from 'tap'
import type { App } from '../../../src/app.js'
import { createPool } from '../../../src/db/pool.js'
import { bearer, logIn, signUp, testApp, type LoginAnswer } from '../../support/app.js'
import { passGrace, passTime } from '../../support/pass-time.js'

const refresh = (app: App, { refresh_token }: LoginAnswer) =>
  app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })

const logOut = (app: App, { access_token }: LoginAnswer) =>
  app.inject({ method: 'POST', url: '/api/logout', headers: bearer(access_token) })

const genOf = ({ refresh_token }: LoginAnswer) =>
  (
    JSON.parse(Buffer.from(refresh_token.split('.')[1] ?? '', 'base64url').toString()) as {
      gen: number
    }
  ).gen

async function logins(app: App, count: number): Promise<LoginAnswer[]> {
  const all = [await signUp(app)]
  // In tens: a slow machine would refuse the last of forty at once.
  while (all.length < count) {
    const next = Math.min(10, count - all.length)
    all.push(...(await Promise.all(Array.from({ length: next }, () => logIn(app)))))
  }
  return all
}

t.test('concurrent refreshes of many sessions return the tokens of each session', async (t) => {
  const { app, sql } = await testApp(t)
  const all = await logins(app, 40)
  const answers = await Promise.all(all.map((login) => refresh(app, login)))
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  const sids = (list: LoginAnswer[]) =>
    list.map(({ access_token }) => Buffer.from(access_token.split('.')[1] ?? '', 'base64url'))
  const sidOf = (payload: Buffer) => (JSON.parse(payload.toString()) as { sid: string }).sid
  t.same(
    sids(answers.map((answer) => answer.json<LoginAnswer>())).map(sidOf),
    sids(all).map(sidOf),
    'no session gets the tokens of another',
  )
  t.match(await sql('select distinct generation from sessions'), [{ generation: 1 }])
})

t.test(
  'a spent token is refused in the same batch as the valid token of its session',
  async (t) => {
    const { app, sql } = await testApp(t)
    const spent = await signUp(app)
    const parent = (await refresh(app, spent)).json<LoginAnswer>()
    await passTime(sql, '6 seconds')
    const present = (await refresh(app, parent)).json<LoginAnswer>()
    await passGrace(sql)
    // Two refreshes occupy the slots, so that the others form one batch.
    const others = await Promise.all([logIn(app), logIn(app)])
    const [, , old, good] = await Promise.all([
      ...others.map((login) => refresh(app, login)),
      refresh(app, spent),
      refresh(app, present),
    ])
    t.equal(good?.statusCode, 200)
    t.equal(genOf((good as { json: () => LoginAnswer }).json()), 3)
    t.equal(old?.statusCode, 401)
    t.equal((await refresh(app, present)).statusCode, 401, 'the session has ended')
    t.equal((await sql('select from sessions')).length, others.length)
  },
)

t.test('a refresh that waits for a lock does not delay others', async (t) => {
  const { app, url } = await testApp(t)
  const all = await logins(app, 10)
  const pool = createPool({ url, size: 1 })
  t.teardown(() => pool.close())
  const sid = (
    JSON.parse(
      Buffer.from((all[0] as LoginAnswer).access_token.split('.')[1] ?? '', 'base64url').toString(),
    ) as { sid: string }
  ).sid
  const done: number[] = []
  await pool.transaction(async (tx) => {
    await tx.query('select from sessions where id = $1 for update', [sid])
    const locked = refresh(app, all[0] as LoginAnswer).then(({ statusCode }) =>
      done.push(statusCode),
    )
    const free = await Promise.all(all.slice(1).map((login) => refresh(app, login)))
    t.same(new Set(free.map(({ statusCode }) => statusCode)), new Set([200]))
    t.same(done, [], 'the locked refresh waits')
    void locked
  })
  const again = await refresh(app, all[0] as LoginAnswer)
  t.equal(again.statusCode, 200)
  t.equal(genOf(again.json()), 1)
})

t.test('concurrent logouts all end their sessions and are audited', async (t) => {
  const { app, sql } = await testApp(t)
  const all = await logins(app, 40)
  const twice = all[7] as LoginAnswer
  const answers = await Promise.all([...all, twice].map((login) => logOut(app, login)))
  t.same(new Set(answers.slice(0, 40).map(({ statusCode }) => statusCode)), new Set([200]))
  const after = await Promise.all(
    all.map(({ access_token }) => app.inject({ url: '/api/user', headers: bearer(access_token) })),
  )
  t.same(new Set(after.map(({ statusCode }) => statusCode)), new Set([401]))
  t.equal((await sql('select from sessions')).length, 0)
  const noted = await sql<{ count: number }>(
    `select count(distinct detail) as kinds, count(distinct request_id)::integer as count
     from audit_log where event = 'session.ended'`,
  )
  t.ok((noted[0]?.count ?? 0) >= 40)
})

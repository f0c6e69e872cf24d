import t from 'tap'
import {
  ada,
  bearer,
  isRefused,
  logIn,
  signUp,
  testApp,
  type LoginAnswer,
  type TestApp,
} from '../../support/app.js'
import { rounds } from '../../support/rounds.js'
import { until } from '../../support/until.js'

const changed = { ...ada, password: 'another horse battery' }

const change = (app: TestApp['app'], token: string, old_password: string, new_password: string) =>
  app.inject({
    method: 'POST',
    url: '/api/user/password',
    headers: bearer(token),
    payload: { old_password, new_password },
  })

const whoAmI = async (app: TestApp['app'], token: string) =>
  (await app.inject({ url: '/api/user', headers: bearer(token) })).statusCode

const refresh = async (app: TestApp['app'], { refresh_token }: LoginAnswer) => {
  const payload = { refresh_token }
  return (await app.inject({ method: 'POST', url: '/api/refresh', payload })).statusCode
}

const login = (app: TestApp['app'], payload: object) =>
  app.inject({ method: 'POST', url: '/api/login', payload })

t.test('a change ends every other session at once, though all is one second', async (t) => {
  // One instant for every token: no time that they bear tells the old from the new.
  const instant = new Date()
  const { app, sql } = await testApp(t, { now: () => instant })
  const mine = await signUp(app)
  const count = rounds(100)
  for (let round = 0; round < count; round += 1) {
    const [old, next] = round % 2 === 0 ? [ada, changed] : [changed, ada]
    const other = await logIn(app, old)
    const answer = await change(app, mine.access_token, old.password, next.password)
    const after = await logIn(app, next)
    const seen = {
      change: answer.statusCode,
      otherAccess: await whoAmI(app, other.access_token),
      otherRefresh: await refresh(app, other),
      newAccess: await whoAmI(app, after.access_token),
      mine: await whoAmI(app, mine.access_token),
      oldPassword: (await login(app, old)).statusCode,
    }
    t.same(
      seen,
      {
        change: 200,
        otherAccess: 401,
        otherRefresh: 401,
        newAccess: 200,
        mine: 200,
        oldPassword: 401,
      },
      `round ${round}`,
    )
  }
  t.equal(await refresh(app, mine), 200)
  t.equal((await sql(`select from outbox where message = 'password_changed'`)).length, count)
})

t.test('the old password has to be right', async (t) => {
  const { app } = await testApp(t)
  const mine = await signUp(app)
  const other = await logIn(app)
  const answer = await change(app, mine.access_token, 'wrong horse battery', changed.password)
  t.equal(answer.statusCode, 401)
  t.match(answer.json(), { status: 'error', code: 'invalid_credentials' })
  t.equal(await whoAmI(app, other.access_token), 200, 'and nothing has ended')
  t.equal((await login(app, changed)).statusCode, 401)
  await logIn(app)
})

t.test('the new password has to be good, and is named where it is not', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app, { name: 'Ada Lovelace', ...ada })
  for (const weak of ['short', 'password123', 'aaaaaaaaaaaa', ada.email, 'Ada Lovelace']) {
    const answer = await change(app, access_token, ada.password, weak)
    t.equal(answer.statusCode, 400, weak)
    t.match(answer.json(), { code: 'weak_password', errors: [{ field: 'new_password' }] })
  }
  const answer = await app.inject({
    method: 'POST',
    url: '/api/user/password',
    headers: bearer(access_token),
    payload: { old_password: ada.password },
  })
  t.equal(answer.statusCode, 400)
  t.match(answer.json(), { code: 'validation_failed', errors: [{ field: 'new_password' }] })
  await logIn(app)
})

t.test('of two changes at once one counts', async (t) => {
  const { app } = await testApp(t)
  const sessions = [await signUp(app), await logIn(app)]
  const wanted = ['another horse battery', 'yet another horse battery']
  const answers = await Promise.all(
    sessions.map(({ access_token }, nth) =>
      change(app, access_token, ada.password, wanted[nth] ?? ''),
    ),
  )
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 401])
  const winner = answers.findIndex(({ statusCode }) => statusCode === 200)
  await logIn(app, { ...ada, password: wanted[winner] ?? '' })
})

t.test('no login with the old password outlives a change that it overlaps', async (t) => {
  const { app, url, sql } = await testApp(t)
  const { app: other } = await testApp(t, { url })
  const mine = await signUp(app)
  const statuses: number[] = []
  for (let round = 0; round < rounds(60); round += 1) {
    const [old, next] = round % 2 === 0 ? [ada, changed] : [changed, ada]
    const logins = Array.from({ length: 24 }, async (_, nth) => {
      // Spread over the time that a change takes, so that some meet its commit.
      for (let turn = 0; turn < nth; turn += 1) await new Promise(setImmediate)
      return login(nth % 2 === 0 ? app : other, old)
    })
    const answer = await change(app, mine.access_token, old.password, next.password)
    t.equal(answer.statusCode, 200)
    const answers = await Promise.all(logins)
    statuses.push(...answers.map(({ statusCode }) => statusCode))
    const alive = await sql<{ id: string }>('select id from sessions')
    t.equal(alive.length, 1, 'only the session that changed it')
    for (const granted of answers.filter(({ statusCode }) => statusCode === 200)) {
      const tokens = granted.json<LoginAnswer>()
      t.equal(await whoAmI(app, tokens.access_token), 401)
      t.equal(await refresh(app, tokens), 401)
      await until(() => isRefused(other, tokens.access_token), 'the other instance refuses it')
    }
  }
  // A busy machine may answer 503 to some.
  const judged = statuses.filter((status) => status !== 503)
  t.same(new Set(judged), new Set([200, 401]), 'some came before it, some after')
  t.equal(await whoAmI(app, mine.access_token), 200)
})

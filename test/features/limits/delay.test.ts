import t, { type Test } from 'tap'
import { ada, signUp, testApp } from '../../support/app.js'

const env = { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '100000/15m' }
const day = 86_400_000

/** A service whose limits use the clock of the test. */
async function withClock(t: Test) {
  const { app, url, sql } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app)
  const clock = { now: Date.now() }
  t.intercept(Date, 'now', { value: () => clock.now })

  /** Returns 0, or Retry-After in seconds. */
  const guess = async (on = app, password = 'wrong horse battery') => {
    const payload = { ...ada, password }
    const { statusCode, headers } = await on.inject({ method: 'POST', url: '/api/login', payload })
    if (statusCode !== 429) return 0
    t.equal(headers['ratelimit-reset'], headers['retry-after'])
    return Number(headers['retry-after'])
  }
  return { app, other, sql, clock, guess }
}

t.test('after five guesses the delay doubles, from a second to an hour', async (t) => {
  const { clock, guess } = await withClock(t)
  for (let nth = 0; nth < 5; nth += 1) t.equal(await guess(), 0, 'without a delay')
  const waits: number[] = []
  for (let nth = 0; nth < 15; nth += 1) {
    t.equal(await guess(), 0, 'one guess after each delay')
    const wait = await guess()
    waits.push(wait)
    clock.now += wait * 1_000 - 1
    t.equal(await guess(), 1, 'still refused one millisecond before the end')
    clock.now += 1
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600])
})

t.test('refused guesses do not lengthen the delay', async (t) => {
  const { app, other, clock, guess, sql } = await withClock(t)
  for (let nth = 0; nth < 6; nth += 1) await guess()
  const before = await sql(`select * from rate_limits where key like 'guesses:%'`)
  for (let nth = 0; nth < 100; nth += 1) {
    t.equal(await guess(nth % 2 === 0 ? app : other), 1)
  }
  t.same(await sql(`select * from rate_limits where key like 'guesses:%'`), before)
  clock.now += 1_000
  t.equal(await guess(other), 0)
  t.equal(await guess(), 2, 'the next step of the delay')
})

t.test(
  'a patient attacker gets fewer than 50 guesses a day, and the owner can log in',
  async (t) => {
    const { clock, guess } = await withClock(t)
    const end = clock.now + day
    let checked = 0
    while (clock.now < end && checked < 100) {
      const wait = await guess()
      clock.now += wait * 1_000
      if (wait === 0) checked += 1
    }
    t.ok(checked < 50, `${checked} guesses in a day`)
    while ((await guess(undefined, ada.password)) > 0) clock.now += 3_600_000
    t.equal(await guess(), 0, 'the login of the owner resets the delay')
    t.equal(await guess(), 0)
  },
)

t.test('concurrent guesses do not lengthen the delay', async (t) => {
  const { app, other, guess } = await withClock(t)
  for (let nth = 0; nth < 4; nth += 1) await guess()
  await Promise.all(
    Array.from({ length: 100 }, async (_, nth) => {
      for (let turn = 0; turn < nth % 5; turn += 1) await new Promise(setImmediate)
      await guess(nth % 2 === 0 ? app : other)
    }),
  )
  t.equal(await guess(), 1)
})

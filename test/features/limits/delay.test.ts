import t, { type Test } from 'tap'
import { ada, signUp, testApp } from '../../support/app.js'

const env = { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '100000/15m' }
const day = 86_400_000

/** A service whose limits see the time that the test tells. */
async function withClock(t: Test) {
  const { app, url, sql } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app)
  const clock = { now: Date.now() }
  t.intercept(Date, 'now', { value: () => clock.now })

  /** 0, or how many seconds one is told to wait. */
  const guess = async (on = app, password = 'wrong horse battery') => {
    const payload = { ...ada, password }
    const { statusCode, headers } = await on.inject({ method: 'POST', url: '/api/login', payload })
    if (statusCode !== 429) return 0
    t.equal(headers['ratelimit-reset'], headers['retry-after'])
    return Number(headers['retry-after'])
  }
  return { app, other, sql, clock, guess }
}

t.test('after five guesses the wait doubles, from a second to an hour', async (t) => {
  const { clock, guess } = await withClock(t)
  for (let nth = 0; nth < 5; nth += 1) t.equal(await guess(), 0, 'at once')
  const waits: number[] = []
  for (let nth = 0; nth < 15; nth += 1) {
    t.equal(await guess(), 0, 'one after each wait')
    const wait = await guess()
    waits.push(wait)
    clock.now += wait * 1_000 - 1
    t.equal(await guess(), 1, 'not a millisecond sooner')
    clock.now += 1
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600])
})

t.test('what is refused does not lengthen the wait', async (t) => {
  const { app, other, clock, guess, sql } = await withClock(t)
  for (let nth = 0; nth < 6; nth += 1) await guess()
  const before = await sql(`select * from rate_limits where key like 'guesses:%'`)
  for (let nth = 0; nth < 100; nth += 1) {
    t.equal(await guess(nth % 2 === 0 ? app : other), 1)
  }
  t.same(await sql(`select * from rate_limits where key like 'guesses:%'`), before)
  clock.now += 1_000
  t.equal(await guess(other), 0)
  t.equal(await guess(), 2, 'the next in the row, not a later one')
})

t.test('an account stays out of reach of who is patient, and open to its owner', async (t) => {
  const { clock, guess } = await withClock(t)
  const end = clock.now + day
  let looked = 0
  while (clock.now < end && looked < 100) {
    const wait = await guess()
    clock.now += wait * 1_000
    if (wait === 0) looked += 1
  }
  t.ok(looked < 50, `${looked} guesses in a day`)
  while ((await guess(undefined, ada.password)) > 0) clock.now += 3_600_000
  t.equal(await guess(), 0, 'whose login ends it')
  t.equal(await guess(), 0)
})

t.test('a flood of guesses at once does not lengthen the wait either', async (t) => {
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

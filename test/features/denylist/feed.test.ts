import t from 'tap'
import { simulate } from '../../support/feed-schedules.js'

const schedules = 2_000 // test/e2e/feed.test.ts has 98,000 others

t.test(
  'on no schedule is a denial overlooked for longer than the lease, or dropped early',
  { timeout: 200_000 },
  async (t) => {
    const { fault, seconds } = await simulate({ from: 1, count: schedules })
    t.equal(fault, undefined, `${schedules} schedules, ${seconds.toFixed(1)} s`)
  },
)

t.test('a feed that takes one history of the database for another is noticed', async (t) => {
  for (const slip of ['names no history', 'renews the lease without the pool'] as const) {
    t.match((await simulate({ from: 1, count: 1_000, slip })).fault, /not denied/, slip)
  }
})

t.test('an SQL that takes what is in progress for seen is noticed', async (t) => {
  const slip = 'shows what is in progress'
  t.match((await simulate({ from: 1, count: 1_000, slip })).fault, /not denied/)
})

import t from 'tap'
import { simulate } from '../support/feed-schedules.js'

t.test(
  'on 98,000 more schedules no denial is overlooked or dropped',
  { timeout: 600_000 },
  async (t) => {
    const { fault, seconds } = await simulate({ from: 2_001, count: 98_000 })
    t.equal(fault, undefined, `${seconds.toFixed(1)} s`)
  },
)

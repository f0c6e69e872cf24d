import { createEntries } from '@gatehouse/verify/protocol'
import { setImmediate as turn } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { createOutage } from '../../../src/db/outage.js'
import { createFeed } from '../../../src/features/denylist/feed.js'
import { createVirtualTime } from '../../support/virtual-time.js'

const log = pino({ level: 'silent' })
const [snapshot, packed] = ['5:5:', Buffer.alloc(0)]

/** A feed on a database that answers at once, and what each of its answers says. */
function feedThatHears(news: number) {
  const { clock, after, step } = createVirtualTime()
  const says = { list: 'one', delta: 'one', pool: 'one', known: true }
  const count = { loads: 0 }
  const feed = createFeed({
    entries: createEntries(),
    connect: async () => ({
      position: async () => {
        count.loads += 1
        return { history: 'one', snapshot }
      },
      page: async () => ({ history: says.list, packed, blocks: 0, file: '1' }),
      delta: async () => {
        const { delta: history, known } = says
        return { history, known, snapshot, packed, at: clock.now(), keys: 0, lag: null }
      },
      waitForChange: () => clock.sleep(news),
      close: () => undefined,
    }),
    poolHistory: async () => says.pool,
    interval: 500,
    link: createOutage().watch(''),
    log,
    clock,
    random: () => 0,
    onDelta: async () => undefined,
    onLost: () => undefined,
  })
  const pass = async (ms: number) => {
    const state = { isOver: false }
    after(ms, () => void (state.isOver = true))
    while (!state.isOver) {
      await turn()
      step()
    }
  }
  void feed.start()
  return { feed, says, count, pass }
}

t.test('a list that another server answers is no list of this one', async (t) => {
  const { feed, says, pass } = feedThatHears(100)
  says.list = 'two'
  await pass(1_000)
  t.notOk(feed.isWithinLease())
  says.list = 'one'
  await pass(2_500)
  t.ok(feed.isWithinLease())
})

t.test(
  'where a snapshot is of the future the list is loaded anew, of one name or not',
  async (t) => {
    const { feed, says, count, pass } = feedThatHears(100)
    await pass(1_000)
    t.equal(count.loads, 1)
    says.known = false
    await pass(3_000)
    t.notOk(feed.isWithinLease(), 'what is compared with it says nothing')
    says.known = true
    await pass(3_000)
    t.ok(count.loads > 1)
    t.ok(feed.isWithinLease())
    t.equal(feed.status().historyChanges, 1)
  },
)

t.test('the lease counts from when the pool was on the history, not from the news', async (t) => {
  const { feed, says, pass } = feedThatHears(240)
  await pass(10)
  says.pool = 'two'
  await pass(1_980)
  t.ok(feed.isWithinLease())
  await pass(20)
  t.notOk(feed.isWithinLease())
})

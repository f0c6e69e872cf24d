import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createLanes } from '../../src/concurrency/lanes.js'

/** Work that ends when the test says so. */
function gate() {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open, work: () => opened }
}

t.test('no more run than there are lanes, and no more wait than the queue holds', async (t) => {
  const lanes = createLanes({ lanes: 2, queue: 3 })
  const { open, work } = gate()
  const jobs = Array.from({ length: 5 }, () => lanes.run(work))
  t.equal(lanes.busy, 2)
  t.equal(lanes.waiting, 3)
  await t.rejects(lanes.run(work), { code: 'overloaded', statusCode: 503, retryAfter: 2 })
  open()
  await Promise.all(jobs)
  t.equal(lanes.busy, 0)
  t.equal(lanes.waiting, 0)
})

t.test('who waits longer than the patience is turned away, and no lane is lost', async (t) => {
  const lanes = createLanes({ lanes: 1, queue: 10, maxWait: 20 })
  const { open, work } = gate()
  const first = lanes.run(work)
  await t.rejects(lanes.run(work), { code: 'overloaded' })
  t.equal(lanes.waiting, 0)
  open()
  await first
  t.equal(await lanes.run(() => Promise.resolve('free')), 'free')
})

t.test('work that fails leaves its lane', async (t) => {
  const lanes = createLanes({ lanes: 1, queue: 1 })
  await t.rejects(
    lanes.run(() => Promise.reject(new Error('no'))),
    /no/,
  )
  t.equal(lanes.busy, 0)
})

t.test('they are served in the order they came', async (t) => {
  const lanes = createLanes({ lanes: 1, queue: 10 })
  const order: number[] = []
  const job = (n: number) => lanes.run(async () => order.push(await sleep(2, n)))
  await Promise.all([1, 2, 3, 4].map(job))
  t.same(order, [1, 2, 3, 4])
})

t.test('work is admitted only while there is a place for its job', async (t) => {
  const lanes = createLanes({ lanes: 1, queue: 1 })
  const { open, work } = gate()
  let begun = 0
  const admit = () =>
    lanes.admit(async () => {
      begun += 1
      await work()
      return lanes.run(() => Promise.resolve())
    })
  const jobs = [admit(), admit()]
  await t.rejects(admit(), { code: 'overloaded', retryAfter: 2 })
  t.equal(begun, 2, 'the third did not begin')
  open()
  await Promise.all(jobs)
  await t.resolves(admit(), 'a place is free again')
})

t.test('jobs that were not admitted take places too', async (t) => {
  const lanes = createLanes({ lanes: 1, queue: 0 })
  const { open, work } = gate()
  const job = lanes.run(work)
  await t.rejects(
    lanes.admit(() => Promise.resolve()),
    { code: 'overloaded' },
  )
  open()
  await job
})

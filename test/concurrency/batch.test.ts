import t from 'tap'
import { createBatcher } from '../../src/concurrency/batch.js'

/** A `run` that ends when it is told to, and what it was given so far. */
function held() {
  const batches: number[][] = []
  const ends: (() => void)[] = []
  const run = async (items: number[]) => {
    batches.push(items)
    await new Promise<void>((resolve) => ends.push(resolve))
    return items.map((item) => item * 10)
  }
  return { run, batches, end: (nth: number) => ends[nth]?.() }
}

t.test('one alone is done at once, and alone', async (t) => {
  const { run, batches, end } = held()
  const result = createBatcher(run)(1)
  t.same(batches, [[1]])
  end(0)
  t.equal(await result, 10)
})

t.test('what comes meanwhile is done together, each with its own result', async (t) => {
  const { run, batches, end } = held()
  const add = createBatcher(run, { maxRunning: 2, maxItems: 3 })
  const results = [1, 2, 3, 4, 5, 6].map((item) => add(item))
  t.same(batches, [[1], [2]])
  end(0)
  await results[0]
  t.same(batches, [[1], [2], [3, 4, 5]])
  end(1)
  await results[1]
  t.same(batches, [[1], [2], [3, 4, 5], [6]])
  end(2)
  end(3)
  t.same(await Promise.all(results), [10, 20, 30, 40, 50, 60])
})

t.test('a failure is that of its own batch, and the next goes on', async (t) => {
  let nth = 0
  const add = createBatcher(
    async (items: number[]) => {
      nth += 1
      await Promise.resolve()
      if (nth === 2) throw new Error('no')
      return items
    },
    { maxRunning: 1 },
  )
  const results = await Promise.allSettled([add(1), add(2), add(3)])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  )
  t.equal(await add(4), 4)
})

t.test('who waited too long is told to come back, and those behind are served', async (t) => {
  const { run, batches, end } = held()
  let now = 0
  const add = createBatcher(run, { maxRunning: 1, clock: { monotonic: () => now } })
  const first = add(1)
  const late = t.rejects(add(2), { code: 'unavailable' })
  now = 600
  const behind = add(3)
  now = 1_200
  end(0)
  await first
  await late
  t.same(batches, [[1], [3]], 'nothing is done for who is gone')
  end(1)
  t.equal(await behind, 30)
})

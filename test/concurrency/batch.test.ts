import { setImmediate as endOfTurn } from 'node:timers/promises'
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

t.test('one alone is done at the end of the turn, and alone', async (t) => {
  const { run, batches, end } = held()
  const result = createBatcher(run)(1)
  await endOfTurn()
  t.same(batches, [[1]])
  end(0)
  t.equal(await result, 10)
})

t.test('what comes in one turn of the event loop is done together', async (t) => {
  const { run, batches, end } = held()
  const add = createBatcher(run)
  const results = [add(1), Promise.resolve().then(() => add(2))]
  await endOfTurn()
  t.same(batches, [[1, 2]])
  end(0)
  t.same(await Promise.all(results), [10, 20])
})

t.test('what comes meanwhile is done together, each with its own result', async (t) => {
  const { run, batches, end } = held()
  const add = createBatcher(run, { maxRunning: 2, maxItems: 3 })
  const results: Promise<number>[] = []
  for (const item of [1, 2]) {
    results.push(add(item))
    await endOfTurn()
  }
  for (const item of [3, 4, 5, 6]) results.push(add(item))
  await endOfTurn()
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
  const first = add(1)
  await endOfTurn()
  const results = await Promise.allSettled([first, add(2), add(3)])
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
  await endOfTurn()
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

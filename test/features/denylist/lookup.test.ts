import { setImmediate as endOfTurn } from 'node:timers/promises'
import t from 'tap'
import { createLookup } from '../../../src/features/denylist/lookup.js'
import type { DenylistRow } from '../../../src/features/denylist/repository.js'

/** A database that answers what the test says, when it says it, and the questions that it got. */
function lookupOn(answer: (ids: string[]) => Promise<DenylistRow[]>) {
  const questions: string[][] = []
  let time = 0
  const find = (ids: string[]) => {
    questions.push(ids)
    return answer(ids)
  }
  const lookup = createLookup({ denylist: { find }, clock: { monotonic: () => time } })
  return { lookup, questions, pass: (ms: number) => void (time += ms) }
}

const never = () => new Promise<never>(() => undefined)
const outcomeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'answered',
    (error: unknown) => (error as { code?: string }).code,
  )

t.test('an id is denied, has an epoch, or is not there', async (t) => {
  const { lookup } = lookupOn(async () => [
    { id: 'token', epoch: null },
    { id: 'user', epoch: 3 },
  ])
  const ids = ['token', 'session', 'user']
  const { isDenied, epochOf } = await lookup.query(ids)
  t.same(ids.map(isDenied), [true, false, false])
  t.same(ids.map(epochOf), [undefined, undefined, 3])
  t.equal(lookup.count, 1)
})

t.test('who asks during a query shares the next one, and none is told what is older', async (t) => {
  let release: () => void = () => undefined
  const { lookup, questions } = lookupOn(async () => {
    await new Promise<void>((resolve) => (release = resolve))
    return []
  })
  const first = lookup.query(['a'])
  await endOfTurn()
  const others = ['b', 'c', 'b'].map((id) => lookup.query([id]))
  await endOfTurn()
  t.same(questions, [['a']], 'one at a time')
  release()
  await first
  await endOfTurn()
  t.same(questions, [['a'], ['b', 'c']])
  release()
  await Promise.all(others)
  t.equal(lookup.count, 2)
})

t.test(
  'a database that says nothing holds up one query, and then nobody for a moment',
  async (t) => {
    let isSilent = true
    const { lookup, questions, pass } = lookupOn(() => (isSilent ? never() : Promise.resolve([])))
    const start = performance.now()
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, at) => outcomeOf(lookup.query([String(at)]))),
    )
    const took = performance.now() - start
    t.same(new Set(all), new Set(['unavailable']))
    t.equal(questions.length, 1)
    t.ok(took >= 240 && took < 2_000, `all were refused after ${took.toFixed(0)} ms`)

    t.equal(await outcomeOf(lookup.query(['x'])), 'unavailable')
    t.equal(questions.length, 1, 'nobody asks while it rests')
    pass(251)
    isSilent = false
    t.equal(await outcomeOf(lookup.query(['x'])), 'answered')
  },
)

t.test('who waits behind a query that fails is refused with it', async (t) => {
  const { lookup, questions } = lookupOn(never)
  const first = outcomeOf(lookup.query(['a']))
  await endOfTurn()
  const second = outcomeOf(lookup.query(['b']))
  t.same(await Promise.all([first, second]), ['unavailable', 'unavailable'])
  t.equal(questions.length, 1)
})

t.test('an answer that comes too late changes nothing', async (t) => {
  let release: (rows: DenylistRow[]) => void = () => undefined
  const { lookup, pass } = lookupOn(() => new Promise((resolve) => (release = resolve)))
  t.equal(await outcomeOf(lookup.query(['a'])), 'unavailable')
  const stale = release
  pass(251)
  const again = lookup.query(['a'])
  await endOfTurn()
  stale([])
  release([{ id: 'a', epoch: null }])
  t.equal((await again).isDenied('a'), true)
})

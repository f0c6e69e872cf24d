import t from 'tap'
import { createUsage } from '../../../src/features/sessions/usage.js'

/** A table of marks whose every statement waits until it is told to go on. */
function slowMarks() {
  const written: [string, number][][] = []
  const waiting: (() => void)[] = []
  const markUsed = (ids: string[], generations: number[]) =>
    new Promise<void>((resolve) => {
      waiting.push(() => {
        written.push(ids.map((id, at) => [id, generations[at] ?? -1]))
        resolve()
      })
    })
  const goOn = async () => {
    await Promise.resolve() // a statement begins a turn after its note
    await Promise.resolve()
    waiting.shift()?.()
  }
  return { written, goOn, usage: createUsage({ sessions: { markUsed } }) }
}

t.test(
  'what comes during a statement is written in one more, the newest of each session',
  async (t) => {
    const { written, goOn, usage } = slowMarks()
    usage.note({ sid: 'a', gen: 1 })
    await goOn()
    await usage.settled()
    for (const [sid, gen] of [
      ['b', 2],
      ['c', 5],
    ] as const)
      usage.note({ sid, gen })
    usage.note({ sid: 'b', gen: 3 })
    usage.note({ sid: 'b', gen: 1 })
    usage.note({ sid: 'of a login', gen: 0 })
    await goOn()
    await usage.settled()
    t.strictSame(written, [
      [['a', 1]],
      [
        ['b', 3],
        ['c', 5],
      ],
    ])
  },
)

t.test('who waits for the marks of before does not wait for those of after', async (t) => {
  const { goOn, usage } = slowMarks()
  usage.note({ sid: 'before', gen: 1 })
  await Promise.resolve()
  const settled = usage.settled().then(() => 'settled')
  usage.note({ sid: 'after', gen: 1 })
  await goOn()
  t.equal(await settled, 'settled')
})

t.test('a statement that fails ends no wait with an error, nor later statements', async (t) => {
  let fails = true
  const written: string[] = []
  const markUsed = (ids: string[]) => {
    if (fails) return Promise.reject(new Error('no database'))
    written.push(...ids)
    return Promise.resolve()
  }
  const usage = createUsage({ sessions: { markUsed } })
  usage.note({ sid: 'lost', gen: 1 })
  await usage.settled()
  fails = false
  usage.note({ sid: 'kept', gen: 1 })
  await usage.settled()
  t.strictSame(written, ['kept'])
})

import t from 'tap'
import { createUsage } from '../../../src/features/sessions/usage.js'

/** A repository whose statements wait until goOn() is called. */
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
    await Promise.resolve() // a statement starts one turn of the event loop after its mark
    await Promise.resolve()
    waiting.shift()?.()
  }
  return { written, goOn, usage: createUsage({ sessions: { markUsed } }) }
}

t.test(
  'marks during a statement are written by one more, with the newest generation of each session',
  async (t) => {
    const { written, goOn, usage } = slowMarks()
    usage.markUsed({ sid: 'a', gen: 1 })
    await goOn()
    await usage.settled()
    for (const [sid, gen] of [
      ['b', 2],
      ['c', 5],
    ] as const)
      usage.markUsed({ sid, gen })
    usage.markUsed({ sid: 'b', gen: 3 })
    usage.markUsed({ sid: 'b', gen: 1 })
    usage.markUsed({ sid: 'of a login', gen: 0 })
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

t.test('settled() waits only for the marks that were made before it', async (t) => {
  const { goOn, usage } = slowMarks()
  usage.markUsed({ sid: 'before', gen: 1 })
  await Promise.resolve()
  const settled = usage.settled().then(() => 'settled')
  usage.markUsed({ sid: 'after', gen: 1 })
  await goOn()
  t.equal(await settled, 'settled')
})

t.test('a failed statement does not reject settled() or stop later statements', async (t) => {
  let fails = true
  const written: string[] = []
  const markUsed = (ids: string[]) => {
    if (fails) return Promise.reject(new Error('no database'))
    written.push(...ids)
    return Promise.resolve()
  }
  const usage = createUsage({ sessions: { markUsed } })
  usage.markUsed({ sid: 'lost', gen: 1 })
  await usage.settled()
  fails = false
  usage.markUsed({ sid: 'kept', gen: 1 })
  await usage.settled()
  t.strictSame(written, ['kept'])
})

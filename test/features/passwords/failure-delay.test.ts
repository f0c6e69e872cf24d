import t from 'tap'
import { createFailureDelay } from '../../../src/features/passwords/failure-delay.js'

function delayOf(schemes: string[]) {
  const slept: number[] = []
  const measured: string[] = []
  const delay = createFailureDelay({
    listSchemes: async () => schemes,
    clock: { sleep: async (ms) => void slept.push(Math.round(ms)) },
  })
  const times: Record<string, number> = { slow: 300, fast: 5 }
  const load = () =>
    delay.load(async (scheme) => {
      measured.push(scheme)
      delay.note(scheme, times[scheme] ?? 1)
    })
  return { delay, load, slept, measured }
}

t.test('without imported hashes nobody waits', async (t) => {
  const { delay, load, slept } = delayOf([])
  await load()
  delay.note(null, 500)
  await delay.wait(10)
  t.strictSame(slept, [])
})

t.test('every failed login takes as long as the slowest hash that is stored', async (t) => {
  const { delay, load, slept, measured } = delayOf(['fast', 'slow'])
  await load()
  delay.note(null, 30)
  for (const elapsed of [30, 5, 290, 300, 400]) await delay.wait(elapsed)
  t.strictSame(slept, [270, 295, 10])
  await load()
  t.strictSame(measured, ['fast', 'slow'], 'a scheme is measured once')
})

t.test('a fast hash takes as long as our own', async (t) => {
  const { delay, load, slept } = delayOf(['fast'])
  await load()
  delay.note(null, 30)
  await delay.wait(5)
  t.strictSame(slept, [25])
})

t.test('the time follows the machine, but not one accident', async (t) => {
  const { delay, load, slept } = delayOf(['slow'])
  await load()
  delay.note('slow', 9_000)
  await delay.wait(0)
  for (let each = 0; each < 8; each += 1) delay.note('slow', 200)
  await delay.wait(0)
  t.strictSame(slept, [300, 200])
})

t.test(
  'the delay ends with the last such hash, and stays below the deadline of a request',
  async (t) => {
    const schemes = ['slow']
    const { delay, load, slept } = delayOf(schemes)
    await load()
    for (let each = 0; each < 8; each += 1) delay.note('slow', 60_000)
    await delay.wait(0)
    t.strictSame(slept, [10_000])
    schemes.length = 0
    await load()
    await delay.wait(0)
    t.equal(slept.length, 1)
  },
)

t.test('a hash that a login meets first counts at once, within a bound', async (t) => {
  const { delay, load, slept } = delayOf([])
  await load()
  for (let each = 0; each < 1_000; each += 1) delay.note(`scheme ${each}`, each)
  await delay.wait(0)
  t.strictSame(slept, [99], 'of one hundred schemes')
})

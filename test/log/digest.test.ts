import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createDigest, createQuota } from '../../src/log/digest.js'

t.test('the first event is reported at once, later ones once an interval', async (t) => {
  const written: object[] = []
  const digest = createDigest<number>({ write: (entry) => written.push(entry), every: 20 })
  for (let event = 0; event < 5; event += 1) digest.add(event % 2 ? 'odd' : 'even', event)
  t.same(written, [{ count: 1, by: { even: 1 }, last: 0 }])
  while (written.length < 2) await sleep(5)
  t.same(written[1], { count: 4, by: { odd: 2, even: 2 }, last: 4 })
  await sleep(100)
  t.equal(written.length, 2, 'and nothing while nothing happens')
  digest.add('odd', 7)
  t.same(written[2], { count: 1, by: { odd: 1 }, last: 7 })
  digest.add('odd', 9)
  digest.flush()
  t.same(written[3], { count: 1, by: { odd: 1 }, last: 9 })
})

t.test('a line stays short, however many keys there are', (t) => {
  const written: { by: Record<string, number> }[] = []
  const digest = createDigest<number>({ write: (entry) => written.push(entry) })
  for (let key = 0; key < 101; key += 1) digest.add(String(key), key)
  digest.flush()
  t.equal(Object.keys(written[1]?.by ?? {}).length, 21)
  t.equal(written[1]?.by.others, 80)
  t.end()
})

t.test('so many are let through in each second', (t) => {
  let now = 0
  const admits = createQuota(2, () => now)
  const next = () => [admits(), admits(), admits()]
  t.same(next(), [true, true, false])
  now = 999
  t.same(next(), [false, false, false])
  now = 1_000
  t.same(next(), [true, true, false])
  t.end()
})

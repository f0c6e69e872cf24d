import t from 'tap'
import { createRecent } from '../../src/concurrency/recent.js'

t.test('the newest entries are kept, and at most twice as many', async (t) => {
  const recent = createRecent<number>(3)
  const keys = Array.from({ length: 20 }, (_, nth) => `key ${String(nth)}`)
  for (const [nth, key] of keys.entries()) recent.set(key, nth)
  const kept = keys.filter((key) => recent.delete(key))
  t.ok(kept.length <= 6)
  t.same(kept.slice(-3), keys.slice(-3))
})

t.test('an entry that is read stays, and one that is not is dropped', async (t) => {
  const recent = createRecent<number>(2)
  recent.set('read', 1)
  recent.set('unread', 2)
  for (let nth = 0; nth < 20; nth += 1) {
    recent.set(`key ${String(nth)}`, nth)
    t.equal(recent.get('read'), 1)
  }
  t.equal(recent.get('unread'), undefined)
})

t.test('a new value replaces the one of an older generation', async (t) => {
  const recent = createRecent<number>(1)
  recent.set('a', 1)
  recent.set('b', 2)
  recent.set('a', 3)
  t.equal(recent.get('a'), 3)
  t.equal(recent.delete('a'), true)
  t.equal(recent.get('a'), undefined)
  t.equal(recent.delete('a'), false)
})

t.test('nothing is left after a clear', async (t) => {
  const recent = createRecent<number>(1)
  recent.set('a', 1)
  recent.set('b', 2)
  recent.clear()
  t.same([recent.get('a'), recent.get('b')], [undefined, undefined])
})

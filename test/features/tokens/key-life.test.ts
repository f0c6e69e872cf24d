import type { Algorithm } from '@gatehouse/verify/protocol'
import t from 'tap'
import { jwksMaxAge, leadTime, livesOf, planOf, signerOf } from '../../../src/config/key-life.js'

const minute = 60
const day = 86_400
const lifetimes = { accessTtl: 15 * minute, refreshTtl: 30 * day }
const rotation = 30 * day

/** Keys with the second at which they start to sign, in that order. */
const keysAt = (...keys: [kid: string, signsFrom: number, algorithm?: Algorithm][]) =>
  livesOf(
    keys.map(([kid, from, algorithm = 'ES256']) => {
      const signs_from = new Date(from * 1_000).toISOString()
      return { kid, algorithm, created_at: signs_from, signs_from }
    }),
    lifetimes,
  )

type Keys = ReturnType<typeof keysAt>

const signer = (keys: Keys, at: number, algorithm: Algorithm = 'ES256') =>
  signerOf(keys, algorithm, at * 1_000)?.kid

const plan = (keys: Keys, at: number, algorithm: Algorithm = 'ES256') => {
  const { publish, expired } = planOf(keys, { algorithm, rotation, now: at * 1_000 })
  return { publish: publish?.delay, expired: expired.map(({ kid }) => kid) }
}

t.test('a key is published for longer than a cache may keep the JWK set', (t) => {
  t.ok(leadTime >= 2 * jwksMaxAge)
  t.end()
})

t.test('a key signs until the next one does, and then only verifies', (t) => {
  const keys = keysAt(['a', 0], ['b', 1_000])
  t.equal(signer(keys, 999), 'a')
  t.equal(signer(keys, 1_000), 'b')
  const [a, b] = keys
  t.equal(a?.until['at+jwt'], (1_000 + 15 * minute + 120) * 1_000)
  t.equal(a?.until['rt+jwt'], (1_000 + 30 * day + 120) * 1_000)
  t.match(b, {
    retiresAt: Infinity,
    until: { 'at+jwt': Infinity, 'rt+jwt': Infinity, 'fa+jwt': Infinity },
  })
  t.end()
})

t.test('the next key is published one lead time before the rotation', (t) => {
  const keys = keysAt(['a', 0])
  t.same(plan(keys, rotation - leadTime - 1), { publish: undefined, expired: [] })
  t.same(plan(keys, rotation - leadTime), { publish: leadTime, expired: [] })
  const both = keysAt(['a', 0], ['b', rotation])
  t.equal(plan(both, rotation - 1).publish, undefined, 'it is published once')
  t.equal(plan(both, rotation).publish, undefined)
  t.end()
})

t.test('after months offline, an overdue key signs until the next one is published', (t) => {
  const keys = keysAt(['a', 0], ['b', 5 * day])
  const back = 200 * day
  t.equal(signer(keys, back), 'b', 'b was published long ago')
  t.same(plan(keys, back), { publish: leadTime, expired: ['a'] })
  const next = keysAt(['b', 5 * day], ['c', back + leadTime])
  t.equal(signer(next, back), 'b')
  t.equal(signer(next, back + leadTime), 'c')
  t.end()
})

t.test('a key signs without a lead time only if there is no other key', (t) => {
  t.equal(plan([], 0).publish, 0)
  t.equal(plan(keysAt(['a', 0]), 1, 'EdDSA').publish, leadTime)
  t.equal(
    plan(keysAt(['secret', 0, 'HS256']), 1).publish,
    0,
    'an HS256 secret does not count as another key',
  )
  t.equal(signer(keysAt(['a', 50]), 1), 'a', 'a key before its start, if there is no other')
  t.equal(signer([], 1), undefined)
  t.end()
})

t.test('a new algorithm signs after its publication; the older key stays for a day', (t) => {
  const keys = keysAt(['a', 0], ['b', 1_000, 'EdDSA'])
  t.equal(signer(keys, 999, 'EdDSA'), 'a')
  t.equal(signer(keys, 1_000, 'EdDSA'), 'b')
  t.equal(signer(keys, 1_000, 'ES256'), 'a', 'an instance that still has the older algorithm')
  t.equal(keys[0]?.retiresAt, (1_000 + day) * 1_000)
  t.equal(plan(keys, 1_000 + day - leadTime - 1, 'ES256').publish, undefined)
  t.equal(
    plan(keys, 1_000 + day - leadTime, 'ES256').publish,
    leadTime,
    'the algorithm was changed back',
  )
  t.equal(
    plan(keys, 1_000 + 2 * day, 'ES256').publish,
    leadTime,
    'the algorithm was changed back later',
  )
  t.equal(signer(keys, 1_000 + 2 * day, 'ES256'), 'b', 'until then the other algorithm signs')
  t.end()
})

t.test('a key expires with its last refresh token; the newest key never expires', (t) => {
  const keys = keysAt(['a', 0], ['b', day], ['c', 2 * day])
  t.same(plan(keys, 31 * day + 119).expired, [])
  t.same(plan(keys, 31 * day + 120).expired, ['a'])
  t.same(plan(keys, 500 * day).expired, ['a', 'b'])
  t.end()
})

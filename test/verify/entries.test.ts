import { createEntries } from '@gatehouse/verify/protocol'
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { random } from '../support/random.js'

t.test('what was added is found, in either case, and nothing else is', (t) => {
  const entries = createEntries()
  const [token, user] = [randomUUID(), randomUUID()]
  entries.add({ id: token, expires_at: 100 })
  entries.add({ id: user, epoch: 3, expires_at: 100 })
  t.equal(entries.isDenied(token), true)
  t.equal(entries.epochOf(token), undefined)
  t.equal(entries.isDenied(token.toUpperCase()), true)
  t.equal(entries.epochOf(user), 3)
  t.equal(entries.isDenied(user), false)
  t.equal(entries.size, 2)
  for (const id of [
    randomUUID(),
    '',
    'x',
    `${token}0`,
    token.replaceAll('-', ''),
    'g'.repeat(36),
  ]) {
    t.equal(entries.isDenied(id), false, id)
    t.equal(entries.epochOf(id), undefined, id)
  }
  t.end()
})

t.test('a death is final and an epoch only rises, in whatever order they come', (t) => {
  const entries = createEntries()
  const [first, second] = [randomUUID(), randomUUID()]
  for (const epoch of [4, 2, 5, 5, 1]) entries.add({ id: first, epoch, expires_at: 100 })
  t.equal(entries.epochOf(first), 5)
  entries.add({ id: first, expires_at: 50 })
  entries.add({ id: first, epoch: 9, expires_at: 100 })
  t.equal(entries.isDenied(first), true)
  entries.add({ id: second, epoch: 0, expires_at: 100 })
  t.equal(entries.epochOf(second), 0)
  t.equal(entries.isDenied(second), false)
  t.equal(entries.size, 2)
  entries.sweep(75)
  t.equal(entries.size, 2, 'the later expiry counts')
  t.end()
})

t.test('packed entries are read as the database writes them', (t) => {
  const entries = createEntries()
  const ids = Array.from({ length: 300 }, () => randomUUID())
  const packed = Buffer.concat(
    ids.map((id, at) => {
      const entry = Buffer.alloc(28)
      Buffer.from(id.replaceAll('-', ''), 'hex').copy(entry)
      entry.writeBigInt64BE(BigInt(1_900_000_000 + at), 16)
      entry.writeInt32BE(at % 2 === 0 ? -1 : at, 24)
      return entry
    }),
  )
  entries.addPacked(packed)
  t.equal(entries.size, 300)
  t.same(
    ids.map((id) => entries.isDenied(id) || entries.epochOf(id)),
    ids.map((_id, at) => at % 2 === 0 || at),
  )
  for (let pass = 0; pass < 2; pass += 1) entries.sweep(1_900_000_100)
  t.equal(entries.size, 200)
  t.end()
})

t.test('20,000 random additions, repeats and sweeps agree with a Map, however ids collide', (t) => {
  for (const seed of [1, 2, 3]) {
    const next = random(seed)
    const entries = createEntries(8)
    const model = new Map<string, number>()
    // Few values of the words that decide the place, so that long runs form and break.
    const id = () => {
      const word = (most: number) => Math.floor(next() * most).toString(16)
      return `${word(9_999).padStart(8, '0')}-0000-7000-8000-0000000${word(16)}000${word(4)}`
    }
    let now = 0
    let wrong = 0
    for (let step = 0; step < 20_000; step += 1) {
      const one = id()
      if (one.length !== 36) throw new Error(one)
      if (next() < 0.6) {
        const expires_at = now + 1 + Math.floor(next() * 500)
        entries.add({ id: one, expires_at })
        model.set(one, Math.max(model.get(one) ?? 0, expires_at))
      } else if (next() < 0.02) {
        now += 50
        for (let pass = 0; pass < 2; pass += 1) entries.sweep(now)
        for (const [known, expiry] of model) if (expiry < now) model.delete(known)
        if (entries.size !== model.size) wrong += 1
      } else if (entries.isDenied(one) !== model.has(one)) wrong += 1
    }
    t.equal(wrong, 0)
    t.same(
      [...model.keys()].filter((known) => !entries.isDenied(known)),
      [],
    )
  }
  t.end()
})

const idOf = (n: number) => {
  const hex = n.toString(16).padStart(8, '0')
  const mixed = (Math.imul(n, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')
  return `01890a5d-ac96-774b-8${hex.slice(0, 3)}-${hex.slice(-4)}${mixed}`
}

t.test('an entry takes at most 45 bytes, however many there are', (t) => {
  const entries = createEntries()
  const sizes = [10_000, 30_000, 100_000, 300_000, 600_000, 1_000_000]
  for (let n = 0; n < 1_000_000; n += 1) {
    entries.add({ id: idOf(n), expires_at: 10 })
    if (!sizes.includes(n + 1)) continue
    const each = entries.bytes / (n + 1)
    t.ok(each <= 45, `${each} bytes with ${n + 1}`)
  }
  t.end()
})

t.test('a million entries leave when they expire, and give their memory back', (t) => {
  const entries = createEntries()
  for (let n = 0; n < 1_000_000; n += 1) {
    entries.add({ id: idOf(n), expires_at: n % 10 === 0 ? 11 : 10 })
  }
  t.equal(entries.size, 1_000_000)
  let missing = 0
  for (let n = 0; n < 1_000_000; n += 1) if (!entries.isDenied(idOf(n))) missing += 1
  t.equal(missing, 0)
  const { bytes } = entries
  for (let pass = 0; pass < 80; pass += 1) entries.sweep(11)
  t.equal(entries.size, 100_000)
  t.ok(entries.bytes < bytes / 4, `${entries.bytes} of ${bytes} bytes`)
  for (let n = 0; n < 1_000_000; n += 1) if (!entries.isDenied(idOf(n))) missing += 1
  t.equal(missing, 900_000)
  t.end()
})

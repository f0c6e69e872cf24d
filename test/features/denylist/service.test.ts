import { createEntries, type AccessClaims } from '@gatehouse/verify/protocol'
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createLookup } from '../../../src/features/denylist/lookup.js'
import type { DenylistRow } from '../../../src/features/denylist/repository.js'
import { createDenylist } from '../../../src/features/denylist/service.js'

/** A denylist whose replica is fresh or not, over a database that holds what the test puts there. */
function denylistOn() {
  const world = {
    isWithinLease: true,
    stored: new Map<string, number | null>(),
    isDown: false,
    time: 0,
    queries: 0,
    wakes: 0,
  }
  const find = async (ids: string[]): Promise<DenylistRow[]> => {
    world.queries += 1
    if (world.isDown) throw new Error('down')
    return ids.flatMap((id) => {
      const epoch = world.stored.get(id)
      return epoch === undefined ? [] : [{ id, epoch }]
    })
  }
  const clock = { monotonic: () => world.time }
  const denylist = createDenylist({
    entries: createEntries(),
    isWithinLease: () => world.isWithinLease,
    lookup: createLookup({ denylist: { find }, clock }),
    notifyOthers: () => void (world.wakes += 1),
    clock,
    denyFor: 1_020,
  })
  return { denylist, world }
}

const newClaims = (epoch = 0) => {
  const [jti, sid, sub] = [randomUUID(), randomUUID(), randomUUID()]
  return { jti, sid, sub, epoch } as AccessClaims
}
type Denylist = ReturnType<typeof createDenylist>

async function outcomeOf(denylist: Denylist, claims: AccessClaims): Promise<string> {
  try {
    await denylist.requireLive(claims)
    return 'live'
  } catch (error) {
    return (error as { code?: string }).code ?? 'another error'
  }
}

const expires_at = 2_000_000_000

t.test('what memory denies the database cannot make good again', async (t) => {
  const { denylist, world } = denylistOn()
  const claims = newClaims()
  denylist.add([{ id: claims.sid, expires_at }])
  world.isWithinLease = false // and the database has lost it
  t.equal(await outcomeOf(denylist, claims), 'invalid_token')
  t.equal(await outcomeOf(denylist, newClaims()), 'live')
})

t.test('a fresh replica answers at once, without a promise or a query', async (t) => {
  const { denylist, world } = denylistOn()
  const claims = newClaims(2)
  t.equal(denylist.requireLive(claims), undefined)
  denylist.add([{ id: claims.sub, epoch: 2, expires_at }])
  t.equal(denylist.requireLive(claims), undefined, 'of the present epoch')
  denylist.add([{ id: claims.sub, epoch: 3, expires_at }])
  t.throws(() => denylist.requireLive(claims), { code: 'token_stale' })
  for (const id of [claims.jti, claims.sid, claims.sub]) {
    const other = { ...newClaims(), ...(id === claims.jti && { jti: id }) }
    const one =
      id === claims.sid ? { ...other, sid: id } : id === claims.sub ? { ...other, sub: id } : other
    denylist.add([{ id, expires_at }])
    t.throws(() => denylist.requireLive(one), { code: 'invalid_token' })
  }
  t.equal(world.queries, 0)
})

t.test('a dead session is no stale one: a refresh would not heal it', async (t) => {
  const { denylist } = denylistOn()
  const claims = newClaims()
  denylist.add([
    { id: claims.sub, epoch: 1, expires_at },
    { id: claims.sid, expires_at },
  ])
  t.equal(await outcomeOf(denylist, claims), 'invalid_token')
})

t.test('what is denied wakes the others, and nothing does not', (t) => {
  const { denylist, world } = denylistOn()
  denylist.add([])
  denylist.markUncertain([])
  t.equal(world.wakes, 0)
  denylist.add([{ id: randomUUID(), expires_at }])
  denylist.markUncertain([{ id: randomUUID(), expires_at }])
  t.equal(world.wakes, 2)
  t.end()
})

t.test('past the lease the database decides, whatever the replica holds', async (t) => {
  const { denylist, world } = denylistOn()
  const [live, out, stale] = [newClaims(), newClaims(), newClaims(1)]
  world.isWithinLease = false
  world.stored.set(out.sid, null).set(stale.sub, 2)
  t.equal(await outcomeOf(denylist, live), 'live')
  t.equal(await outcomeOf(denylist, out), 'invalid_token')
  t.equal(await outcomeOf(denylist, stale), 'token_stale')
  t.equal(world.queries, 3)
})

t.test('past the lease and without the database nobody is let in', async (t) => {
  const { denylist, world } = denylistOn()
  world.isWithinLease = false
  world.isDown = true
  const all = Array.from({ length: 100 }, () => outcomeOf(denylist, newClaims()))
  t.notOk((await Promise.all(all)).includes('live'))
  t.equal(world.queries, 1)
  world.isDown = false
  world.time += 251
  t.equal(await outcomeOf(denylist, newClaims()), 'live', 'it heals')
})

t.test('of a commit whose outcome is unknown the database is asked', async (t) => {
  for (const name of ['jti', 'sid', 'sub'] as const) {
    const { denylist, world } = denylistOn()
    const claims = newClaims()
    denylist.markUncertain([{ id: claims[name], expires_at }])
    t.equal(await outcomeOf(denylist, claims), 'live', 'it was not committed, so far')
    world.stored.set(claims[name], null)
    t.equal(await outcomeOf(denylist, claims), 'invalid_token', 'then it was')
    world.isDown = true
    t.not(await outcomeOf(denylist, claims), 'live', 'nobody knows')
    const { queries } = world
    t.equal(denylist.requireLive(newClaims()), undefined, 'nobody else is concerned')
    t.equal(world.queries, queries)
  }
})

t.test('a doubt lasts as long as the tokens that it is about', async (t) => {
  const { denylist, world } = denylistOn()
  const claims = newClaims()
  denylist.markUncertain([{ id: claims.sid, expires_at }])
  world.time = 1_019_000
  denylist.markUncertain([{ id: randomUUID(), expires_at }])
  await outcomeOf(denylist, claims)
  t.equal(world.queries, 1)
  world.time = 1_020_001
  denylist.markUncertain([{ id: randomUUID(), expires_at }])
  t.equal(denylist.requireLive(claims), undefined)
})

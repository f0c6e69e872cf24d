import { createEntries } from '@gatehouse/verify/protocol'
import { pino } from 'pino'
import { createOutage } from '../../src/db/outage.js'
import { createFeed } from '../../src/features/denylist/feed.js'
import { createModelDatabase } from './model-database.js'
import { createModelNetwork } from './model-network.js'
import type { Row, Slip } from './model-server.js'
import { random } from './random.js'
import { createVirtualTime } from './virtual-time.js'

const lease = 2_000
const troubled = 4_000
/** The longest that a feed may wait for something that never comes, and then for its next try. */
const healing = 12_000
const names = Array.from({ length: 8 }, (_, at) => at.toString(16).padStart(12, '0'))
const ids = names.map((name) => `01890a5d-ac96-774b-8000-${name}`)
/** In the place of an epoch: denies every token of the id. */
const denies = -1
const log = pino({ level: 'silent' })

type Denied = Row & { ackedAt: number; wasHeld: boolean }

/**
 * One instance, one database, other instances that deny, and four seconds in which all sorts of things
 * go wrong. Every so often it is looked at; `fault` says what was seen that must not be.
 */
export function createSimulation(seed: number, slip?: Slip) {
  const next = random(seed)
  const time = createVirtualTime(Date.now())
  const { now, monotonic, sleep } = time.clock
  const database = createModelDatabase(now, slip)
  const listens = next() < 0.7
  const network = createModelNetwork({ time, database, random: next, listens })
  const entries = createEntries(32)
  const feed = createFeed({
    entries,
    connect: network.connect,
    poolHistory:
      listens && slip !== 'renews the lease without the pool' ? network.poolHistory : undefined,
    interval: listens ? 500 : 250,
    link: createOutage().watch(''),
    log,
    clock: time.clock,
    random: next,
    onDelta: () => (next() < 0.05 ? sleep(next() * 1_500) : Promise.resolve()),
    onLost: () => undefined,
  })
  const denied = new Map<string, Denied>()
  const result = { fault: undefined as string | undefined, isDone: false }

  for (let count = 0; count < 4; count += 1) deny() // what was there before
  void feed.start()
  time.after(next() * 500, deny)
  time.after(next() * 1_000, trouble)
  time.after(troubled, network.heal)
  time.after(troubled, look)
  return { seed, step: time.step, result }

  /** A transaction that denies something, and ends when it likes. */
  function deny(): void {
    const written = ids.flatMap((id, at) => {
      if (next() > 0.15 || database.isLocked(id)) return []
      const level = at % 3 === 0 ? (denied.get(id)?.epoch ?? 0) + 1 : denies
      return [{ id, epoch: level, expiresAt: now() + 3_000 + next() * 30_000 }]
    })
    const end = database.begin(written)
    time.after(next() < 0.3 ? next() * 3_000 : next() * 50, () => settle(end(next() < 0.8)))
    if (monotonic() < troubled) time.after(next() * 1_000, deny)
  }

  function settle(committed: Row[]): void {
    if (committed.length === 0) return
    network.notify()
    time.after(next() * 5, () => {
      committed.forEach(acknowledge)
      for (const ms of [lease + 1, next() * 2 * lease]) time.after(ms, () => check(committed))
    })
  }

  function acknowledge(row: Row): void {
    const known = denied.get(row.id)
    if (known && known.seq > row.seq) return
    if (!database.has(row)) return // a failover lost it meanwhile
    denied.set(row.id, { ...row, ackedAt: monotonic(), wasHeld: false })
  }

  function trouble(): void {
    const die = next()
    if (die < 0.3) network.cut()
    else if (die < 0.6) network.silence()
    else if (die < 0.65) network.deafen()
    else if (die < 0.75) network.restart(next() * 2_000)
    else if (die < 0.8) network.crashUnnoticed()
    else if (die < 0.95) failOver()
    else database.prune()
    check()
    if (monotonic() < troubled) time.after(next() * 1_500, trouble)
  }

  /** What was acknowledged and is lost must still be denied where it was; elsewhere nobody knows of it. */
  function failOver(): void {
    network.failOver(Math.floor(next() * 4))
    for (const [id, row] of denied) {
      if (!database.has(row) && !row.wasHeld) denied.delete(id)
    }
  }

  function check(rows: Iterable<Row> = denied.values()): void {
    for (const { id } of rows) {
      const row = denied.get(id)
      if (!row) continue
      const isOver = row.expiresAt <= now()
      const isHeld = holds(row)
      const isDue = monotonic() > row.ackedAt + lease && feed.isWithinLease()
      if (!isHeld && !isOver && (isDue || row.wasHeld)) {
        result.fault ??= `${row.id} is ${row.wasHeld ? 'no longer' : 'not'} denied at ${monotonic()}`
        result.isDone = true
      }
      row.wasHeld ||= isHeld && isDue
    }
  }

  function holds({ id, epoch: level }: Row): boolean {
    if (entries.isDenied(id)) return true
    const epoch = entries.epochOf(id)
    return epoch !== undefined && level !== denies && epoch >= level
  }

  /** Whether all is well again: as soon as it is, or after so long. */
  function look(): void {
    check()
    const isWell =
      feed.isWithinLease() &&
      [...denied.values()].every((row) => row.expiresAt <= now() || holds(row))
    const isHopeless = monotonic() >= troubled + healing
    if (!isWell && !isHopeless) {
      time.after(500, look)
      return
    }
    if (!isWell) result.fault ??= 'it does not heal'
    result.isDone = true
  }
}

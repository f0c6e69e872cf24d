import type { Delta } from '../../src/features/denylist/repository.js'
import type { DenialPage } from '../../src/features/denylist/sources.js'

/** An entry of the denylist: -1 where the id is dead, else the epoch. Milliseconds since 1970. */
export type Row = { id: string; epoch: number; expiresAt: number; xid: number; seq: number }

/** A fault of the SQL, which a test has to notice. */
export type Slip =
  'shows what is in progress' | 'names no history' | 'renews the lease without the pool' | undefined

type Options = { now: () => number; slip: Slip; newHistory: () => string }
type Shown = { xmin: number; xmax: number; xip: Set<number> }
type Ended = (commits: boolean) => Row[]

/**
 * A PostgreSQL that holds the denylist: what a transaction wrote is there for others once it commits, in
 * whatever order, and a snapshot tells which transactions it shows (`xmin:xmax:xip`). It starts with
 * what `commits` left behind, and gives out the next transaction ids after those.
 */
export function createModelServer(options: Options, commits: Row[][] = []) {
  const { now, slip, newHistory } = options
  let active = new Map<number, Row[]>()
  let history = newHistory()
  const rows = new Map<string, Row>()
  /** The place of each row in the table. A new version of a row takes the first place that is free. */
  const places: (Row | undefined)[] = []
  for (const row of commits.flat()) write(row)
  const lastOf = (all: Iterable<Row>) => Math.max(99, ...[...all].map(({ xid }) => xid))
  let lastXid = lastOf(commits.flat()) // of those that have ended
  let nextXid = lastXid + 1
  let isGone = false

  function write(row: Row): void {
    remove(row.id)
    rows.set(row.id, row)
    const free = places.indexOf(undefined)
    places[free === -1 ? places.length : free] = row
  }

  function remove(id: string): void {
    const before = rows.get(id)
    if (before) places[places.indexOf(before)] = undefined
    rows.delete(id)
  }

  function snapshot(): string {
    const xip = [...active.keys()].filter((xid) => xid <= lastXid)
    const xmax = lastXid + 1
    return `${Math.min(xmax, ...xip)}:${xmax}:${xip.join(',')}`
  }

  function isShown(xid: number, { xmin, xmax, xip }: Shown): boolean {
    if (slip === 'shows what is in progress') return xid < xmax
    return xid < xmin || (xid < xmax && !xip.has(xid))
  }

  return {
    /** A transaction: how it ends, which says what it wrote, or nothing where a crash was first. */
    begin(written: Omit<Row, 'xid'>[]): Ended {
      const xid = nextXid++
      const mine = written.map((row) => ({ ...row, xid }))
      const running = active
      running.set(xid, mine)
      return (succeeds) => {
        if (isGone || running !== active || !running.delete(xid)) return []
        lastXid = Math.max(lastXid, xid)
        if (!succeeds) return []
        commits.push(mine)
        for (const row of mine) write(row)
        return mine
      }
    },

    /** Whether an entry waits for a transaction to end. */
    isLocked(id: string): boolean {
      for (const written of active.values()) if (written.some((row) => row.id === id)) return true
      return false
    },

    has: ({ id, seq }: Row) => (rows.get(id)?.seq ?? -1) >= seq,

    /** What was not committed never was, and its numbers are given out again. */
    crash(): void {
      active = new Map()
      nextXid = lastOf(rows.values()) + 1
      lastXid = nextXid - 1
      history = newHistory()
    },

    /** The standby is promoted, without the last so many commits. This server commits nothing more. */
    promoteStandby(lag: number) {
      isGone = true
      return createModelServer(options, commits.slice(0, Math.max(0, commits.length - lag)))
    },

    prune(): void {
      for (const row of rows.values()) if (row.expiresAt < now()) remove(row.id)
    },

    position: () => ({ history, snapshot: snapshot() }),

    delta(since: string): Delta {
      const shown = readSnapshot(since)
      const news = [...rows.values()].filter(({ xid }) => !isShown(xid, shown))
      const known = slip === 'names no history' || shown.xmax <= lastXid + 1
      const position = { history, snapshot: snapshot(), known }
      return { ...position, packed: pack(news), at: now(), keys: 0, lag: null }
    },

    /** As if a row had 40 blocks, so that a load takes some pages. */
    page(from: number, to: number): DenialPage {
      const found = places.slice(from / 40, to / 40).filter((row) => row !== undefined)
      return { history, packed: pack(found), blocks: places.length * 40, file: '1' }
    },
  }
}

export type ModelServer = ReturnType<typeof createModelServer>

function readSnapshot(text: string): Shown {
  const [xmin, xmax, xip = ''] = text.split(':')
  return { xmin: Number(xmin), xmax: Number(xmax), xip: new Set(xip.split(',').map(Number)) }
}

/** As `pack` of the repository does. */
function pack(rows: Row[]): Buffer {
  const packed = Buffer.alloc(rows.length * 28)
  rows.forEach(({ id, epoch, expiresAt }, at) => {
    packed.write(id.replaceAll('-', ''), at * 28, 'hex')
    packed.writeBigInt64BE(BigInt(Math.ceil(expiresAt / 1_000)), at * 28 + 16)
    packed.writeInt32BE(epoch, at * 28 + 24)
  })
  return packed
}

import type { Delta } from '../../src/denylist/repository.js'
import type { Page } from '../../src/denylist/sources.js'

/** An entry of the denylist: -1 where the id is dead, else the epoch. Milliseconds since 1970. */
export type Row = { id: string; epoch: number; expiresAt: number; xid: number }

type Shown = { xmin: number; xmax: number; xip: Set<number> }
export type Slip = 'shows what is in progress' | undefined

/**
 * The denylist as PostgreSQL keeps it: what a transaction wrote is there for others once it commits,
 * in whatever order, and a snapshot tells which transactions it shows (`xmin:xmax:xip`). `slip` is a
 * fault of the SQL, which a test has to notice.
 */
export function createModelDatabase(now: () => number, slip?: Slip) {
  let active = new Map<number, Row[]>()
  const rows = new Map<string, Row>()
  let nextXid = 100
  let lastXid = 99 // of those that have ended

  function snapshot(): string {
    const xip = [...active.keys()].filter((xid) => xid <= lastXid)
    const xmax = lastXid + 1
    return `${Math.min(xmax, ...xip)}:${xmax}:${xip.join(',')}`
  }

  function isShown(xid: number, { xmin, xmax, xip }: Shown): boolean {
    if (slip) return xid < xmax
    return xid < xmin || (xid < xmax && !xip.has(xid))
  }

  return {
    /** A transaction: how it ends, which says what it wrote, or nothing where a crash was first. */
    begin(written: Omit<Row, 'xid'>[]): (commits: boolean) => Row[] {
      const xid = nextXid++
      const mine = written.map((row) => ({ ...row, xid }))
      const running = active
      running.set(xid, mine)
      return (commits) => {
        if (running !== active || !running.delete(xid)) return []
        lastXid = Math.max(lastXid, xid)
        if (!commits) return []
        for (const row of mine) rows.set(row.id, row)
        return mine
      }
    },

    snapshot,

    /** Whether an entry waits for a transaction to end. */
    isLocked(id: string): boolean {
      for (const written of active.values()) if (written.some((row) => row.id === id)) return true
      return false
    },

    /** What was not committed never was, and its numbers are given out again. */
    crash(): void {
      active = new Map()
      nextXid = Math.max(99, ...[...rows.values()].map(({ xid }) => xid)) + 1
      lastXid = nextXid - 1
    },

    prune(): void {
      for (const row of rows.values()) if (row.expiresAt < now()) rows.delete(row.id)
    },

    delta(since: string): Delta {
      const shown = readSnapshot(since)
      const news = [...rows.values()].filter(({ xid }) => !isShown(xid, shown))
      return { snapshot: snapshot(), packed: pack(news), at: now(), keys: 0, lag: null }
    },

    page(after: string, most: number): Page {
      const ids = [...rows.keys()].filter((id) => id > after).sort()
      const found = ids.slice(0, most).flatMap((id) => rows.get(id) ?? [])
      return { packed: pack(found), last: found.at(-1)?.id ?? null, count: found.length }
    },
  }
}

export type ModelDatabase = ReturnType<typeof createModelDatabase>

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

import { createModelServer, type Row, type Slip } from './model-server.js'

/** The server that is the primary, and what becomes of it. */
export function createModelDatabase(now: () => number, slip?: Slip) {
  let histories = 0
  let seq = 0
  const newHistory = () => (slip === 'names no history' ? 'one' : `history ${histories++}`)
  let primary = createModelServer({ now, slip, newHistory })

  return {
    get primary() {
      return primary
    },

    begin: (written: Omit<Row, 'xid' | 'seq'>[]) =>
      primary.begin(written.map((row) => ({ ...row, seq: seq++ }))),
    isLocked: (id: string) => primary.isLocked(id),
    /** Whether this entry, or a later one of its id, is in the primary. */
    has: (row: Row) => primary.has(row),
    crash: () => primary.crash(),
    prune: () => primary.prune(),

    /** A standby takes over. It lacks the last so many commits; its transaction ids start lower. */
    failOver: (lag: number) => void (primary = primary.promoteStandby(lag)),
  }
}

export type ModelDatabase = ReturnType<typeof createModelDatabase>

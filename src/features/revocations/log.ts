import type { DenylistRepository, DenialTuple, DenialList } from '../denylist/repository.js'
import { AppError } from '../../errors.js'
import { shorten, writeCursor } from './cursor.js'

type Options = {
  denylist: Pick<DenylistRepository, 'listSince' | 'beginHistory'>
  /** The most denials that one poll may find. If there are more, the log starts again. */
  max: number
}

/**
 * The end of the log at the last poll. A reader of the whole log continues at `cursor`, which names the
 * history and `cursorSnapshot`. That is `snapshot`, shortened if it is long. `at` is the time of the
 * poll in milliseconds since 1970, and `end` the position after the last denial.
 */
export type Head = {
  history: string
  cursor: string
  cursorSnapshot: string
  snapshot: string
  at: number
  end: number
}

const maxCursors = 500
const maxMissing = 100

/**
 * Keeps the latest denials in the order in which they were found, and the position of each cursor among
 * them. A poll reads what is new with one query, and serves all known cursors. An unknown cursor costs
 * one query of its own, once.
 */
export function createRevocationLog({ denylist, max }: Options) {
  let head: Head | undefined
  let recent: DenialTuple[] = []
  let firstPosition = 0
  const positions = new Map<string, number>()
  const foreignCursors = new Map<string, { position: number; missing: DenialTuple[] }>()

  return {
    /**
     * Reads new denials. Callers must not run two polls at once. After an error the log starts again,
     * because the database may have lost its latest transactions.
     * @throws AppError `unavailable` while the history of the database has no name
     */
    async poll(): Promise<{ head: Head; found: DenialList }> {
      try {
        const found = await denylist.listSince(head?.snapshot ?? null, max + 1)
        const { history } = found
        if (history === null) {
          await denylist.beginHistory() // the next poll finds the name
          throw new AppError('unavailable')
        }
        const continues = head?.history === history && found.known && found.denials.length <= max
        head = continues && head ? grow(head, found) : start(history, found)
        return { head, found }
      } catch (error) {
        head = undefined
        throw error
      }
    },

    /** Returns the denials after a cursor; undefined if the log does not know the cursor. */
    since(cursor: string): DenialTuple[] | undefined {
      const position = positions.get(cursor)
      if (position !== undefined) return recent.slice(position - firstPosition)
      const known = foreignCursors.get(cursor)
      return known && [...known.missing, ...recent.slice(known.position - firstPosition)]
    },

    /** Adds a cursor of another instance. `missing` are the denials up to `position` that it has not seen. */
    addForeign(cursor: string, position: number, missing: DenialTuple[]): void {
      if (position < firstPosition || missing.length > maxMissing) return
      foreignCursors.set(cursor, { position, missing })
      if (foreignCursors.size > maxCursors) deleteFirst(foreignCursors)
    },
  }

  function start(history: string, { snapshot, at }: DenialList): Head {
    firstPosition += recent.length + 1 // a gap for denials that the log lacks
    recent = []
    positions.clear()
    foreignCursors.clear()
    const next = headOf(history, snapshot, at, firstPosition)
    positions.set(next.cursor, firstPosition)
    return next
  }

  /** If nothing is new, keeps the cursor, so that all pollers share one cached answer. */
  function grow(before: Head, { snapshot, at, denials }: DenialList): Head {
    if (denials.length === 0) return { ...before, snapshot, at }
    recent.push(...denials)
    trim()
    const next = headOf(before.history, snapshot, at, firstPosition + recent.length)
    // Two snapshots may shorten to the same cursor. The earlier position counts: it skips nothing.
    if (!positions.has(next.cursor)) positions.set(next.cursor, next.end)
    return next
  }

  function trim(): void {
    if (positions.size > maxCursors) deleteFirst(positions)
    if (recent.length <= max * 2) return
    const gone = recent.length - max
    recent = recent.slice(gone)
    firstPosition += gone
    for (const [cursor, position] of positions)
      if (position < firstPosition) positions.delete(cursor)
    for (const [cursor, { position }] of foreignCursors)
      if (position < firstPosition) foreignCursors.delete(cursor)
  }
}

function headOf(history: string, snapshot: string, at: number, end: number): Head {
  const cursorSnapshot = shorten(snapshot)
  const cursor = writeCursor({ history, snapshot: cursorSnapshot })
  return { history, cursor, cursorSnapshot, snapshot, at, end }
}

function deleteFirst(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}

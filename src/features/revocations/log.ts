import type { DenylistRepository, Listed, Listing } from '../denylist/repository.js'
import { AppError } from '../../errors.js'
import { shortened, writeCursor } from './cursor.js'

type Options = {
  denylist: Pick<DenylistRepository, 'listSince' | 'beginHistory'>
  /** Most that one look may find: where there is more the log begins anew. */
  most: number
}

/**
 * How the database stood at the last look: a reader of all that was found by then goes on at `cursor`,
 * the text of `shown` on this history. `snapshot` is in full.
 */
export type Head = {
  history: string
  cursor: string
  shown: string
  snapshot: string
  at: number
  end: number
}

const maxPlaces = 500
const maxAhead = 100

/**
 * The last denials in the order in which they were found, and the cursors that lie between them. Each
 * look asks the database once, for what is new since the one before, and serves every cursor that
 * is known. One that is not costs a query of its own, once.
 */
export function createLog({ denylist, most }: Options) {
  let head: Head | undefined
  let recent: Listed[] = []
  let begin = 0
  const places = new Map<string, number>()
  const foreign = new Map<string, { place: number; ahead: Listed[] }>()

  return {
    /**
     * One at a time. What fails leaves nothing: the database may have lost its latest numbers.
     * @throws AppError `unavailable` while the history of the database has no name
     */
    async look(): Promise<{ head: Head; found: Listing }> {
      try {
        const found = await denylist.listSince(head?.snapshot ?? null, most + 1)
        const { history } = found
        if (history === null) {
          await denylist.beginHistory() // the next look finds the name
          throw new AppError('unavailable')
        }
        const goesOn = head?.history === history && found.known && found.denials.length <= most
        head = goesOn && head ? grow(head, found) : start(history, found)
        return { head, found }
      } catch (error) {
        head = undefined
        throw error
      }
    },

    /** What came after a cursor; undefined where it is not known here. */
    since(cursor: string): Listed[] | undefined {
      const place = places.get(cursor)
      if (place !== undefined) return recent.slice(place - begin)
      const known = foreign.get(cursor)
      return known && [...known.ahead, ...recent.slice(known.place - begin)]
    },

    /** A cursor of another instance: what it lacks of what was there at `place`. */
    learn(cursor: string, place: number, ahead: Listed[]): void {
      if (place < begin || ahead.length > maxAhead) return
      foreign.set(cursor, { place, ahead })
      if (foreign.size > maxPlaces) deleteFirst(foreign)
    },
  }

  function start(history: string, { snapshot, at }: Listing): Head {
    begin += recent.length + 1 // what is not in the log lies between
    recent = []
    places.clear()
    foreign.clear()
    const next = headOf(history, snapshot, at, begin)
    places.set(next.cursor, begin)
    return next
  }

  /** While nothing is found the cursor stays: it says no less, and all who wait have the same. */
  function grow(before: Head, { snapshot, at, denials }: Listing): Head {
    if (denials.length === 0) return { ...before, snapshot, at }
    recent.push(...denials)
    trim()
    const next = headOf(before.history, snapshot, at, begin + recent.length)
    // Of two snapshots that are shortened alike the earlier one has seen less.
    if (!places.has(next.cursor)) places.set(next.cursor, next.end)
    return next
  }

  function trim(): void {
    if (places.size > maxPlaces) deleteFirst(places)
    if (recent.length <= most * 2) return
    const gone = recent.length - most
    recent = recent.slice(gone)
    begin += gone
    for (const [cursor, place] of places) if (place < begin) places.delete(cursor)
    for (const [cursor, { place }] of foreign) if (place < begin) foreign.delete(cursor)
  }
}

function headOf(history: string, snapshot: string, at: number, end: number): Head {
  const shown = shortened(snapshot)
  return { history, cursor: writeCursor({ history, snapshot: shown }), shown, snapshot, at, end }
}

function deleteFirst(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}

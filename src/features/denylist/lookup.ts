import type { Denials } from '@gatehouse/verify/protocol'
import { createBatcher } from '../../concurrency/batch.js'
import type { Clock } from '../../concurrency/clock.js'
import { withDeadline } from '../../concurrency/deadline.js'
import { AppError } from '../../errors.js'
import type { DenylistRepository } from './repository.js'

type Options = {
  denylist: Pick<DenylistRepository, 'find'>
  clock: Pick<Clock, 'monotonic'>
}

// In milliseconds. The pause follows a failed query.
const deadline = 250
const pause = 250

/**
 * Queries the denylist in the database, for when the replica is outside its lease. One query runs at a
 * time and serves all waiting requests. After a failure all requests fail at once for a moment, so that
 * a dead database does not hold up each of them.
 */
export function createLookup({ denylist, clock }: Options) {
  const queryTogether = createBatcher(
    async (callers: string[][]) => {
      const denials = await run([...new Set(callers.flat())])
      return callers.map(() => denials)
    },
    { maxRunning: 1, maxItems: Infinity, clock },
  )
  let pausedUntil = -Infinity
  /** The failure that the pause follows. */
  let failure: unknown
  let count = 0

  return {
    /** The number of queries so far. */
    get count() {
      return count
    },

    /** @throws AppError `unavailable` */
    async query(ids: string[]): Promise<Denials> {
      if (clock.monotonic() < pausedUntil) throw unavailable(failure)
      return queryTogether(ids)
    },
  }

  async function run(ids: string[]): Promise<Denials> {
    if (clock.monotonic() < pausedUntil) throw unavailable(failure)
    count += 1
    try {
      const rows = await withDeadline(denylist.find(ids), deadline, tooLate)
      const found = new Map(rows.map(({ id, epoch }) => [id, epoch]))
      return {
        isDenied: (id) => found.get(id) === null,
        epochOf: (id) => found.get(id) ?? undefined,
      }
    } catch (error) {
      failure = error
      pausedUntil = clock.monotonic() + pause
      throw error
    }
  }
}

export type Lookup = ReturnType<typeof createLookup>

const unavailable = (cause: unknown) => new AppError('unavailable', { cause })

const tooLate = () =>
  unavailable(new Error(`no answer from the database within ${String(deadline)} ms`))

import { absent, dead, type Answers } from '@gatehouse/verify/protocol'
import { AppError } from '../../errors.js'
import type { DenylistRepository } from './repository.js'

type Options = {
  denylist: Pick<DenylistRepository, 'find'>
  /** Milliseconds from anywhere, that only grow. */
  clock: () => number
}

const deadline = 250
const pause = 250

type Batch = { ids: Set<string>; answers: Promise<Answers> }

/**
 * The denylist by a query, for when the replica may not answer: one at a time, for everybody who waits,
 * with a deadline. After a failure nobody asks for a moment: a dead database holds up one request, not all.
 */
export function createLookup({ denylist, clock }: Options) {
  let waiting: Batch | undefined
  let running: Promise<unknown> = Promise.resolve()
  let brokenUntil = -Infinity
  let count = 0

  return {
    /** How many queries there were. */
    get count() {
      return count
    },

    /** @throws AppError `unavailable` */
    async ask(ids: string[]): Promise<Answers> {
      if (clock() < brokenUntil) throw new AppError('unavailable')
      waiting ??= next()
      for (const id of ids) waiting.ids.add(id)
      return waiting.answers
    },
  }

  function next(): Batch {
    const ids = new Set<string>()
    const answers = running.then(() => {
      waiting = undefined
      return query([...ids])
    })
    running = answers.catch(() => undefined)
    return { ids, answers }
  }

  async function query(ids: string[]): Promise<Answers> {
    if (clock() < brokenUntil) throw new AppError('unavailable')
    count += 1
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new AppError('unavailable')), deadline)
    })
    try {
      const rows = await Promise.race([denylist.find(ids), late])
      const found = new Map(rows.map(({ id, epoch }) => [id, epoch ?? dead]))
      return { find: (id) => found.get(id) ?? absent }
    } catch (error) {
      brokenUntil = clock() + pause
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

export type Lookup = ReturnType<typeof createLookup>

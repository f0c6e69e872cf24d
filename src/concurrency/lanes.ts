import { AppError } from '../errors.js'

type LaneOptions = {
  /** How many may run at once. */
  lanes: number
  /** How many more may wait. */
  queue: number
  /** How long one may wait, in milliseconds. */
  patience?: number
}

type Waiter = { start: () => void; timer: NodeJS.Timeout }

/**
 * Bounded places for work that takes a core: a flood of it waits here, or is turned away, and
 * cannot slow anything else down.
 */
export function createLanes({ lanes, queue, patience = 2_000 }: LaneOptions) {
  const waiting: Waiter[] = []
  let busy = 0

  function enter(): Promise<void> {
    if (busy < lanes) {
      busy += 1
      return Promise.resolve()
    }
    if (waiting.length >= queue) return Promise.reject(overloaded())
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        start: resolve,
        timer: setTimeout(() => {
          waiting.splice(waiting.indexOf(waiter), 1)
          reject(overloaded())
        }, patience),
      }
      waiting.push(waiter)
    })
  }

  /** The lane passes from hand to hand, so a newcomer never overtakes who waits. */
  function leave(): void {
    const next = waiting.shift()
    if (!next) {
      busy -= 1
      return
    }
    clearTimeout(next.timer)
    next.start()
  }

  return {
    /** @throws AppError `overloaded` when the queue is full or the wait too long */
    async run<Result>(work: () => Promise<Result>): Promise<Result> {
      await enter()
      try {
        return await work()
      } finally {
        leave()
      }
    },
    get busy() {
      return busy
    },
    get waiting() {
      return waiting.length
    },
  }
}

export type Lanes = ReturnType<typeof createLanes>

const overloaded = () => new AppError('overloaded', { retryAfter: 2 })

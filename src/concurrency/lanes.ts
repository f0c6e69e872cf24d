import { AppError } from '../errors.js'

type LaneOptions = {
  /** How many jobs may run at the same time. */
  lanes: number
  /** How many more jobs may wait. */
  queue: number
  /** How long a job may wait, in milliseconds. */
  maxWait?: number
}

type Waiter = { start: () => void; timer: NodeJS.Timeout }

/**
 * Limits how many CPU-bound jobs run at the same time. Further jobs wait in a bounded queue, or are
 * refused, so that a flood of them leaves CPU time for other requests.
 */
export function createLanes({ lanes, queue, maxWait = 2_000 }: LaneOptions) {
  const waiting: Waiter[] = []
  let busy = 0
  let admitted = 0

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
        }, maxWait),
      }
      waiting.push(waiter)
    })
  }

  /** Passes the lane to the first waiting job, so that a new job never overtakes it. */
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
    /**
     * Does work that leads to one job, such as a login to its hash. It is refused before it begins if the lanes
     * and the queue have no place for that job.
     * @throws AppError `overloaded`
     */
    async admit<Result>(work: () => Promise<Result>): Promise<Result> {
      if (Math.max(admitted, busy + waiting.length) >= lanes + queue) throw overloaded()
      admitted += 1
      try {
        return await work()
      } finally {
        admitted -= 1
      }
    },

    /** @throws AppError `overloaded` if the queue is full, or the job has waited for `maxWait` */
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

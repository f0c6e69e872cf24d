import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../concurrency/clock.js'
import { addressOf, findUnreachable, kindOfUnreachable } from './faults.js'
import { fieldsOf } from './outage.js'

type Options = {
  url: string
  clock?: Pick<Clock, 'monotonic' | 'sleep'>
  log: { warn(object: object, message: string): void }
  /** How long to try, in milliseconds. */
  limit?: number
}

/** Its sleep keeps the process alive: during the start nothing else does. */
const waitingClock = { monotonic: () => performance.now(), sleep: (ms: number) => sleep(ms) }

const events = {
  name: 'host name of the database is unknown, retrying',
  protocol: 'what listens at this address does not speak PostgreSQL, retrying',
  down: 'database does not answer, retrying',
}

/** The longest wait between two tries, in milliseconds. */
const maxWait = 5_000

/**
 * Repeats `work` while the database does not answer: a database that starts together with the service needs
 * some seconds. The waits double, from half a second on.
 * @throws the last error of `work` after `limit`, and any other error at once
 */
export async function retryWhileUnreachable<Result>(
  work: () => Promise<Result>,
  { url, clock = waitingClock, log, limit = 30_000 }: Options,
): Promise<Result> {
  const end = clock.monotonic() + limit
  for (let wait = 500; ; wait = Math.min(wait * 2, maxWait)) {
    try {
      return await work()
    } catch (error) {
      const cause = findUnreachable(error)
      const left = end - clock.monotonic()
      if (!cause || left <= 0) throw error
      const ms = Math.min(wait, left)
      const waits = { retry_in_ms: Math.round(ms), gives_up_in_ms: Math.round(left) }
      log.warn(
        { address: addressOf(url), ...fieldsOf(cause), ...waits },
        events[kindOfUnreachable(cause)],
      )
      await clock.sleep(ms)
    }
  }
}

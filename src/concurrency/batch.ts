import { AppError } from '../errors.js'
import { systemClock, type Clock } from './clock.js'

type Options = {
  /** How many batches may run at the same time. */
  maxRunning?: number
  /** How many items a batch may have. */
  maxItems?: number
  /** How long an item may wait for its batch, in milliseconds. As long as for a database connection. */
  maxWait?: number
  clock?: Pick<Clock, 'monotonic'>
}

type Waiter<Item, Result> = {
  item: Item
  since: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Collects the items that arrive while earlier batches run, so that they share one statement and one commit.
 * While no batch runs, one starts at the end of the turn of the event loop.
 * @param run returns one result for each item, in the order of the items; an error rejects the whole batch
 * @returns a function that adds an item. It rejects with AppError `unavailable` after `maxWait`.
 */
export function createBatcher<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { maxRunning = 2, maxItems = 100, maxWait = 1_000, clock = systemClock }: Options = {},
) {
  let waiting: Waiter<Item, Result>[] = []
  let running = 0
  let isStarting = false

  return function add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      waiting.push({ item, since: clock.monotonic(), resolve, reject })
      if (running < maxRunning && !isStarting) start()
    })
  }

  /** After all items of this turn of the event loop: many sockets are often readable in the same one. */
  function start(): void {
    isStarting = true
    setImmediate(() => {
      isStarting = false
      void runBatches()
    })
  }

  async function runBatches(): Promise<void> {
    running += 1
    for (let batch = takeBatch(); batch.length > 0; batch = takeBatch()) {
      try {
        const results = await run(batch.map(({ item }) => item))
        for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running -= 1
  }

  function takeBatch(): Waiter<Item, Result>[] {
    const oldest = clock.monotonic() - maxWait
    const first = waiting.findIndex(({ since }) => since >= oldest)
    const expired = waiting.slice(0, first === -1 ? waiting.length : first)
    const batch = waiting.slice(expired.length, expired.length + maxItems)
    waiting = waiting.slice(expired.length + batch.length)
    for (const { reject } of expired) reject(new AppError('unavailable'))
    return batch
  }
}

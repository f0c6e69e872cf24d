import { AppError } from '../errors.js'

type Options = {
  /** How many batches may be under way. */
  width?: number
  /** How many may be in one. */
  most?: number
  /** How long one may wait to be in one, in milliseconds: as long as for a connection. */
  patience?: number
  /** Milliseconds from anywhere, that only grow. */
  clock?: () => number
}

type Waiter<Item, Result> = {
  item: Item
  since: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Does together what comes while earlier batches are under way, so that statements and commits are
 * shared where there are many, and one alone waits for nothing. `run` answers in the order of its items;
 * what it throws, all of its batch get. The function throws AppError `unavailable` after too long a wait.
 */
export function createBatcher<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { width = 2, most = 100, patience = 1_000, clock = monotonic }: Options = {},
) {
  let waiting: Waiter<Item, Result>[] = []
  let running = 0

  return function add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      waiting.push({ item, since: clock(), resolve, reject })
      if (running < width) void work()
    })
  }

  async function work(): Promise<void> {
    running += 1
    for (let batch = next(); batch.length > 0; batch = next()) {
      try {
        const results = await run(batch.map(({ item }) => item))
        for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running -= 1
  }

  function next(): Waiter<Item, Result>[] {
    const oldest = clock() - patience
    const first = waiting.findIndex(({ since }) => since >= oldest)
    const gone = waiting.slice(0, first === -1 ? waiting.length : first)
    const batch = waiting.slice(gone.length, gone.length + most)
    waiting = waiting.slice(gone.length + batch.length)
    for (const { reject } of gone) reject(new AppError('unavailable'))
    return batch
  }
}

const monotonic = () => performance.now()

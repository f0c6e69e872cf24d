type Options = {
  /** How many batches may be under way. */
  width?: number
  /** How many may be in one. */
  most?: number
}

type Waiter<Item, Result> = {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Does together what comes while earlier batches are under way, so that statements and commits are
 * shared where there are many, and one alone waits for nothing. `run` answers in the order of its items;
 * what it throws, all of its batch get.
 */
export function createBatcher<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { width = 2, most = 100 }: Options = {},
) {
  const waiting: Waiter<Item, Result>[] = []
  let running = 0

  return function add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (running < width) void work()
    })
  }

  async function work(): Promise<void> {
    running += 1
    while (waiting.length > 0) {
      const batch = waiting.splice(0, most)
      try {
        const results = await run(batch.map(({ item }) => item))
        for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running -= 1
  }
}

type Digest<Event> = {
  count: number
  /** How many events had each key. */
  by: Record<string, number>
  last: Event
}

type Options<Event> = {
  write: (digest: Digest<Event>) => void
  /** The interval between two digests, in milliseconds. */
  every?: number
}

const maxKeys = 20

/**
 * Writes at most one digest in each interval. The first event is written at once; later events are
 * counted by key until the interval ends. Keys beyond the first 20 are counted as `others`.
 */
export function createDigest<Event>({ write, every = 1_000 }: Options<Event>) {
  let counted: Digest<Event> | undefined
  let timer: NodeJS.Timeout | undefined

  function report(): void {
    const digest = counted
    counted = undefined
    clearTimeout(timer)
    timer = digest && setTimeout(report, every).unref()
    if (digest) write(digest)
  }

  return {
    add(key: string, event: Event): void {
      counted ??= { count: 0, by: {}, last: event }
      const { by } = counted
      const name = key in by || Object.keys(by).length < maxKeys ? key : 'others'
      by[name] = (by[name] ?? 0) + 1
      counted.count += 1
      counted.last = event
      if (!timer) report()
    },
    /** Writes the events that are not written yet. Call it before the process ends. */
    flush: report,
  }
}

/** Returns a function that returns true at most `perSecond` times in each second. */
export function createQuota(perSecond: number, clock = () => performance.now()) {
  let since = -Infinity
  let left = 0
  return function admits(): boolean {
    if (clock() - since >= 1_000) {
      since = clock()
      left = perSecond
    }
    left -= 1
    return left >= 0
  }
}

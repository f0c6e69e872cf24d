import type { Clock } from './clock.js'

type Entry<Value> = { began: number; running: Promise<Value>; value?: Value }

type Options = {
  /** How long a result is returned again, in milliseconds from the start of its work. */
  keepFor: number
  /** How long a result is passed to the next work as `before`, in milliseconds. */
  rememberFor: number
  clock: Pick<Clock, 'monotonic'>
}

/**
 * Callers that ask for the same key at about the same time share one run of `work` and its result.
 * A failed run is shared only by the callers that were already waiting; the next call runs again.
 */
export function createShared<Value>({ keepFor, rememberFor, clock }: Options) {
  const entries = new Map<string, Entry<Value>>()

  return function shared(
    key: string,
    work: (before: Value | undefined) => Promise<Value>,
  ): Promise<Value> {
    const now = clock.monotonic()
    const known = entries.get(key)
    if (known && (known.value === undefined || now < known.began + keepFor)) return known.running
    forget(now)
    const entry: Entry<Value> = { began: now, running: work(known?.value) }
    entries.set(key, entry)
    entry.running.then(
      (value) => (entry.value = value),
      () => entries.delete(key),
    )
    return entry.running
  }

  function forget(now: number): void {
    for (const [key, { began, value }] of entries) {
      if (value !== undefined && began + rememberFor <= now) entries.delete(key)
    }
  }
}

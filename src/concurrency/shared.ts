type Entry<Value> = { began: number; running: Promise<Value>; value?: Value }

type Options = {
  /** For how long an answer is given again, in milliseconds. */
  keepFor: number
  /** For how long it is there for the next to compare with. */
  rememberFor: number
  clock: () => number
}

/** Whoever asks for the same at about the same time gets one answer. A failure is nobody else's. */
export function createShared<Value>({ keepFor, rememberFor, clock }: Options) {
  const entries = new Map<string, Entry<Value>>()

  return function shared(
    key: string,
    work: (before: Value | undefined) => Promise<Value>,
  ): Promise<Value> {
    const now = clock()
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

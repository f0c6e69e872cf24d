/**
 * A map that keeps between `max` and twice as many entries, in two generations. When the younger one is full, it
 * replaces the older one. An entry that is read moves to the younger one, so unused entries are dropped.
 */
export function createRecent<Value>(max: number) {
  let young = new Map<string, Value>()
  let old = new Map<string, Value>()

  return {
    get(key: string): Value | undefined {
      const found = young.get(key)
      if (found !== undefined) return found
      const older = old.get(key)
      if (older !== undefined) keep(key, older)
      return older
    },

    set: keep,

    /** Returns whether there was such an entry. */
    delete(key: string): boolean {
      const wasOld = old.delete(key)
      return young.delete(key) || wasOld
    },

    clear(): void {
      young = new Map()
      old = new Map()
    },
  }

  function keep(key: string, value: Value): void {
    if (young.size >= max && !young.has(key)) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }
}

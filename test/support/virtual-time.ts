import type { Clock } from '../../src/concurrency/clock.js'

/** A clock that moves only when everything has been done that was due. `since` is in milliseconds since 1970. */
export function createVirtualTime(since = 0) {
  const events: { at: number; run: () => void }[] = [] // the next one last
  let now = 0

  function after(ms: number, run: () => void): void {
    const at = now + ms
    let place = events.length
    while (place > 0 && (events[place - 1]?.at ?? 0) <= at) place -= 1
    events.splice(place, 0, { at, run })
  }

  const clock: Clock = {
    now: () => since + now,
    monotonic: () => now,
    sleep: (ms) => new Promise<void>((resolve) => after(ms, resolve)),
  }

  return {
    clock,
    after,

    /** Does what is due next. */
    step(): void {
      const next = events.pop()
      if (!next) return
      now = next.at
      next.run()
    },
  }
}

export type VirtualTime = ReturnType<typeof createVirtualTime>

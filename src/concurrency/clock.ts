import { setTimeout as sleep } from 'node:timers/promises'

/** The time, as services read it and wait for it. Tests pass a virtual one. */
export type Clock = {
  /** Milliseconds since 1970. It jumps when the host's clock is set, so durations need `monotonic`. */
  now(): number
  /** Milliseconds since an arbitrary moment. It never goes back. */
  monotonic(): number
  /** Resolves after `ms` milliseconds, or when `signal` aborts. It does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { ref: false, signal }).catch(() => undefined),
}

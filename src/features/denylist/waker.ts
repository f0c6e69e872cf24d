import type { DenylistRepository } from './repository.js'

/**
 * Tells the instances that listen that there is something to read; one statement at a time, whatever
 * was denied meanwhile. What gets lost here is read at the next interval all the same, so no denial
 * waits for it, nor for the lock that NOTIFY takes when it commits.
 */
export function createWaker(denylist: Pick<DenylistRepository, 'notify'>) {
  let running = false
  let again = false

  return function wakeOthers(): void {
    again = true
    if (!running) void run()
  }

  async function run(): Promise<void> {
    running = true
    while (again) {
      again = false
      await denylist.notify().catch(() => undefined)
    }
    running = false
  }
}

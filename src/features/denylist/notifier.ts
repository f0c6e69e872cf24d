import type { DenylistRepository } from './repository.js'

/**
 * Notifies the listening instances of new denials. One NOTIFY runs at a time, and one more covers all
 * denials that arrive meanwhile. No denial waits for it, nor for the lock that NOTIFY takes at its
 * commit: if a NOTIFY is lost, the other instances read at their next interval.
 */
export function createNotifier(denylist: Pick<DenylistRepository, 'notify'>) {
  let running = false
  let again = false

  return function notifyOthers(): void {
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

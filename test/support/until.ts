import { setTimeout as sleep } from 'node:timers/promises'

/** @throws Error when it does not come true within 15 seconds */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 15_000
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await sleep(20)
  }
}

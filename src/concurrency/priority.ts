import { writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/**
 * Puts this child process behind the service that started it: the service gets the CPU first, and if memory runs
 * out, the kernel ends this process first. Call it before a thread starts, because threads inherit it.
 * @param priority from 0, as important as the service, to 19
 * @returns the priority that the system granted
 */
export function yieldToService(priority: number): number {
  try {
    setPriority(priority)
    writeFileSync('/proc/self/oom_score_adj', '1000')
  } catch {
    // Some systems do not support it.
  }
  return getPriority()
}

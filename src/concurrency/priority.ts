import { readdirSync, writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/**
 * Puts this child process behind the service that started it: the service gets the CPU first, and if memory runs
 * out, the kernel ends this process first. Threads that start later inherit it.
 * @param priority from 0, as important as the service, to 19
 * @returns the priority that the system granted; 0 if it does not say
 */
export function yieldToService(priority: number): number {
  tryTo(() => setPriority(priority))
  // On Linux each thread has a priority of its own, and loading modules has started some.
  for (const thread of tryTo(() => readdirSync('/proc/self/task')) ?? []) {
    tryTo(() => setPriority(Number(thread), priority))
  }
  tryTo(() => writeFileSync('/proc/self/oom_score_adj', '1000'))
  return tryTo(() => getPriority()) ?? 0
}

/** Some systems do not support it, and some do not allow it. */
function tryTo<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

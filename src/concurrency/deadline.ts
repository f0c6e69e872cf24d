/**
 * Settles as `work` does, or rejects with `late()` after `ms` milliseconds. The work itself goes on.
 */
export async function withDeadline<Result>(
  work: Promise<Result>,
  ms: number,
  late: () => Error = () => new Error(`took longer than ${String(ms)} ms`),
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}

import type { FastifyInstance } from 'fastify'

/**
 * Runs `work` when the server listens, and again `every` milliseconds after each end. The server closes after a run
 * has ended. `work` handles its own errors.
 */
export function repeatWhileListening(
  app: FastifyInstance,
  work: () => Promise<void>,
  every: number,
): void {
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  let isClosed = false

  function schedule(delay: number): void {
    if (isClosed) return
    timer = setTimeout(() => void (running = run()), delay).unref()
  }

  async function run(): Promise<void> {
    await work()
    schedule(every)
  }

  app.addHook('onListen', async () => {
    schedule(0)
  })
  app.addHook('onClose', async () => {
    isClosed = true
    clearTimeout(timer)
    await running
  })
}

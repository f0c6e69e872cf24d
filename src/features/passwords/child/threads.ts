import { Worker } from 'node:worker_threads'
import { withDeadline } from '../../../concurrency/deadline.js'
import type { ThreadJob } from './thread.js'

const file = new URL('thread.js', import.meta.url)

/** Less than a job of the child process may take: a hash that takes too long ends its thread, not the process. */
const maxTime = 7_000

/**
 * Threads for hashes that Node.js cannot make in the background. The lanes of the service limit how many run at the
 * same time. They end with the process.
 */
export function createThreads() {
  const idle: Thread[] = []

  return {
    /** @throws Error if the thread ends before it answers, or takes too long */
    async derive(job: ThreadJob): Promise<Buffer> {
      const thread = idle.pop() ?? startThread()
      try {
        const text = await withDeadline(thread.ask(job), maxTime)
        idle.push(thread)
        return Buffer.from(text)
      } catch (error) {
        thread.end()
        throw error
      }
    },
  }
}

type Thread = {
  ask: (job: ThreadJob) => Promise<string>
  end: () => void
}

function startThread(): Thread {
  const worker = new Worker(file, { resourceLimits: { maxOldGenerationSizeMb: 64 } })
  let settle: { resolve: (text: string) => void; reject: (error: Error) => void } | undefined
  let ended: Error | undefined

  function fail(error: Error): void {
    ended ??= error
    settle?.reject(ended)
  }

  worker.on('message', (text: string) => settle?.resolve(text))
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('the thread has ended')))
  return {
    ask: (job) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject }
        if (ended) reject(ended)
        else worker.postMessage(job)
      }),
    end: () => void worker.terminate(),
  }
}

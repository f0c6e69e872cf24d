import { Worker } from 'node:worker_threads'
import { root } from '../../../config/root.js'
import { withDeadline } from '../../../concurrency/deadline.js'
import { AppError } from '../../../errors.js'
import type { Job, SlowRecipe } from './worker.js'

const file = new URL('dist/features/passwords/foreign/worker.js', root)
/** The dearest hash within the bounds of recipe.ts takes a third of it. */
const maxTime = 12_000
const maxIdle = 30_000

/**
 * Worker threads for hashes that Node.js cannot make in the background. The lanes limit how many run at the same
 * time. An idle thread ends after 30 seconds, and keeps no process alive.
 */
export function createHashWorkers({ idleAfter = maxIdle } = {}) {
  const idle: Thread[] = []

  function take(): Thread {
    const thread = idle.pop() ?? startThread()
    clearTimeout(thread.timer)
    return thread
  }

  function giveBack(thread: Thread): void {
    idle.push(thread)
    thread.timer = setTimeout(() => {
      idle.splice(idle.indexOf(thread), 1)
      thread.end()
    }, idleAfter).unref()
  }

  return {
    /** @throws AppError `overloaded` if the thread ends before it answers, or takes too long */
    async derive(recipe: SlowRecipe, password: string): Promise<string> {
      const thread = take()
      try {
        const text = await withDeadline(thread.ask({ recipe, password }), maxTime)
        giveBack(thread)
        return text
      } catch (cause) {
        thread.end()
        throw new AppError('overloaded', { retryAfter: 2, cause })
      }
    },
  }
}

type Thread = {
  ask: (job: Job) => Promise<string>
  end: () => void
  timer?: NodeJS.Timeout
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
  // An idle thread keeps no process alive. One that works does, by the caller's deadline.
  worker.unref()
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

export type HashWorkers = ReturnType<typeof createHashWorkers>

import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createSimulation } from './feed-simulation.js'
import type { Slip } from './model-server.js'

type Task = { from: number; count: number; slip?: Slip | undefined }
type Outcome = { fault: string | undefined; seconds: number }

/** A thread has no loader of TypeScript until it asks for one. */
const bootstrap = `import('tsx/esm/api').then(({ register }) => {
  register()
  return import('${import.meta.url}')
})`
const atOnce = 10 // of more, the processor's cache would not hold the states

/**
 * So many schedules, from a seed on: the first that went wrong, if any did, and the time it took. On
 * a thread of its own: a test runner follows each promise, which costs more than all else here.
 */
export async function simulate(task: Task): Promise<Outcome> {
  const worker = new Worker(bootstrap, { eval: true, workerData: task })
  const [outcome] = (await once(worker, 'message')) as [Outcome]
  return outcome
}

async function run({ from, count, slip }: Task): Promise<string | undefined> {
  for (let seed = from; seed < from + count; seed += atOnce) {
    const all = Array.from({ length: atOnce }, (_, at) => createSimulation(seed + at, slip))
    for (let running = all; running.length > 0;) {
      for (const { step } of running) step()
      await turn()
      running = running.filter(({ result }) => !result.isDone)
    }
    const bad = all.find(({ result }) => result.fault !== undefined)
    if (bad) return `seed ${bad.seed}: ${bad.result.fault}`
  }
  return undefined
}

if (!isMainThread && parentPort) {
  Error.stackTraceLimit = 0 // of the thousands that are thrown
  const start = performance.now()
  const fault = await run(workerData as Task)
  parentPort.postMessage({ fault, seconds: (performance.now() - start) / 1_000 })
}

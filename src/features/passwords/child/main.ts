// The child process that hashes passwords. It has no secret of the service, and ends with it.
import './signals.js'
import { yieldToService } from '../../../concurrency/priority.js'
import { loadArgon2 } from '../argon2.js'
import type { Answer, Job, Work } from '../child-process.js'
import { derive } from './derive.js'

const priority = yieldToService(19)
const argon2 = loadArgon2()

process.on('disconnect', () => process.exit())
process.on('message', ({ id, work }: Job) => {
  run(work).then(
    (result) => send({ id, result }),
    (error: unknown) => send({ id, fault: error instanceof Error ? error.message : '' }),
  )
})

async function run(work: Work): Promise<unknown> {
  if (work.kind === 'derive') return derive(work.recipe, work.password)
  const { library, hash, matches } = await argon2
  if (work.kind === 'describe') return { library, priority }
  if (work.kind === 'hash') return hash(work.password, work.parameters)
  return matches(work.hash, work.password)
}

function send(answer: Answer): void {
  process.send?.(answer)
}

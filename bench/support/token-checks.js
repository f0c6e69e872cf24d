// Asks with one token until it is told to stop; sends the times in ms, sorted, and how many were refused.
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

setPriority(0)
const [{ url, headers }] = await once(process, 'message')
let isRunning = true
process.once('message', () => (isRunning = false))

const times = []
let refused = 0
while (isRunning) {
  const start = performance.now()
  const { status } = await fetch(url, { headers })
  if (status === 200) times.push(performance.now() - start)
  else refused += 1
  await sleep(10)
}
process.send({ times: times.sort((a, b) => a - b), refused }, () => process.exit())

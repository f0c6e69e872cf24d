// From a command to the first answer of /health/ready: three commands in turn, so that a noisy
// machine is noisy for all of them. Use: npm run bench:start [-- ROUNDS]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const rounds = Number(process.argv[2] ?? 3)
const DATA_DIR = '.gatehouse/bench'
const PORT = '3999'

const starts = [
  ['npm start, for the first time', ['npm', 'start'], [DATA_DIR, 'dist', 'packages/verify/dist']],
  ['npm start, again', ['npm', 'start'], []],
  ['node dist/server.js, again', ['node', '--max-semi-space-size=4', 'dist/server.js'], []],
]

/** Milliseconds until it answers; then it is stopped. */
async function measure([program, ...args]) {
  const start = performance.now()
  const child = spawn(program, args, {
    env: { ...process.env, DATA_DIR, PORT },
    stdio: 'ignore',
    detached: true,
  })
  const exited = once(child, 'exit')
  const isReady = () =>
    fetch(`http://127.0.0.1:${PORT}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isReady())) await sleep(5)
  const time = performance.now() - start
  process.kill(-child.pid, 'SIGINT')
  await exited
  return time
}

const times = new Map(starts.map(([name]) => [name, []]))
for (let round = 0; round < rounds; round += 1) {
  for (const [name, command, leftovers] of starts) {
    for (const path of leftovers) await rm(path, { recursive: true, force: true })
    times.get(name).push(await measure(command))
    await sleep(500)
  }
}
for (const [name, all] of times) {
  const seconds = all.sort((a, b) => a - b).map((time) => (time / 1_000).toFixed(1))
  const median = seconds[Math.floor(seconds.length / 2)]
  console.log(`${name}: median ${median} s (${seconds.join(', ')})`)
}
await rm(DATA_DIR, { recursive: true, force: true })

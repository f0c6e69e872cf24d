// 200 hostile files of ten kinds, eight at a time, each until it is judged: how long does a check of a
// token take meanwhile, beside one on the idle server, and is the memory given back? DATABASE_URL names an
// empty database: `npm run bench:hostile`.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostileFiles } from '../test/support/hostile.ts'
import { gradient } from '../test/support/pictures.ts'
import { inParallel } from './support/parallel.js'

const PORT = '3992'
const origin = `http://127.0.0.1:${PORT}`
const seconds = Number(process.argv[2] ?? 10)
const people = 20
const asInTheImage = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
}
// Who sends would be another machine.
setPriority(10)

const server = spawn(process.execPath, ['dist/server.js'], {
  env: { ...asInTheImage, ...process.env, PORT, RATE_LIMIT: 'off', LOG_LEVEL: 'error' },
  stdio: 'inherit',
})
process.on('exit', () => server.kill())
server.once('exit', (code, signal) => {
  console.error(`the server has ended: ${code ?? signal}`)
  process.exit(1)
})
const ready = () => fetch(`${origin}/health/ready`).then(({ ok }) => ok)
while (!(await ready().catch(() => false))) await sleep(100)

async function signUp(email) {
  const account = { email, password: 'correct horse battery' }
  const [headers, body] = [{ 'content-type': 'application/json' }, JSON.stringify(account)]
  await fetch(`${origin}/api/register`, { method: 'POST', headers, body })
  const answer = await fetch(`${origin}/api/login`, { method: 'POST', headers, body })
  return { authorization: `Bearer ${(await answer.json()).access_token}` }
}

const still = await gradient(16, 16).webp({ lossless: true }).toBuffer()
const kinds = Object.entries(hostileFiles(still))
const answers = {}
let retries = 0

/** Sends a file until it is judged: what finds no place is sent again. */
async function send(nth, headers) {
  const [name, { path, bytes }] = kinds[nth % kinds.length]
  for (;;) {
    const body = new FormData()
    body.set('file', new Blob([bytes]), 'file')
    const { status } = await fetch(origin + path, { method: 'POST', headers, body })
    if (![429, 503].includes(status)) {
      if (![200, 422].includes(status)) throw new Error(`${name}: ${status}`)
      const key = `${name}: ${status}`
      answers[key] = (answers[key] ?? 0) + 1
      return
    }
    retries += 1
    await sleep(200)
  }
}

/** A process of its own checks tokens, so that nothing but the server holds it up. */
async function startChecks(headers) {
  const child = fork(new URL('support/token-checks.js', import.meta.url), { execArgv: [] })
  child.send({ url: `${origin}/forward-auth`, headers })
  return async () => {
    child.send('stop')
    const [result] = await once(child, 'message')
    return result
  }
}
const line = (what, { times, refused }) => {
  const [median, p99, most] = [0.5, 0.99, 1].map((share) =>
    times[Math.floor((times.length - 1) * share)].toFixed(1),
  )
  console.log(`| ${what} | ${times.length} | ${median} | ${p99} | ${most} | ${refused} |`)
}

const memory = () => {
  const status = readFileSync(`/proc/${server.pid}/status`, 'latin1')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) / 1_024
}

const users = await inParallel(people, (n) => signUp(`u${n}@example.org`), 4)
const reader = await signUp('reader@example.org')
// The first of each kind starts processes, and loads what serves them.
await inParallel(kinds.length, (nth) => send(nth, users[nth]), 2)
await sleep(15_000)

console.log(`Node ${process.version}\n`)
console.log('| GET /forward-auth | answers | median ms | p99 ms | most ms | refused |')
console.log('|---|---|---|---|---|---|')
const stopIdle = await startChecks(reader)
await sleep(seconds * 1_000)
line('idle', await stopIdle())
const before = memory()
let most = before
const watch = setInterval(() => (most = Math.max(most, memory())), 50)
const stopBusy = await startChecks(reader)
await inParallel(200, (nth) => send(nth, users[nth % people]), 8)
line('beside 200 hostile files', await stopBusy())
clearInterval(watch)
await sleep(15_000)
const after = memory()
const [b, m, a] = [before, most, after].map((size) => size.toFixed(0))
console.log(`\nmemory of the service: ${b} MB before, ${m} MB at most, ${a} MB 15 s after`)
console.log(`${retries} were sent again; judged:`, answers)
process.exit()

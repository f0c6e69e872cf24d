// 200 hostile files of ten kinds, eight at a time, each until it is judged: how long does a check of a
// token take meanwhile, beside one on the idle server, and is the memory given back? DATABASE_URL names an
// empty database: `npm run bench:hostile`.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostileFiles } from '../test/support/hostile.ts'
import { gradient } from '../test/support/pictures.ts'
import { inParallel } from './support/services.js'

const PORT = '3992'
const origin = `http://127.0.0.1:${PORT}`
const seconds = Number(process.argv[2] ?? 10)
const people = 20

const server = spawn(process.execPath, ['dist/server.js'], {
  // As in the image: two heaps for all threads.
  env: { MALLOC_ARENA_MAX: '2', ...process.env, PORT, RATE_LIMIT: 'off', LOG_LEVEL: 'error' },
  stdio: 'inherit',
})
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

/** The times of token checks in ms, sorted, and how many were refused. */
async function check(headers, goesOn) {
  const times = []
  let refused = 0
  while (goesOn()) {
    const start = performance.now()
    const { status } = await fetch(`${origin}/forward-auth`, { headers })
    if (status === 200) times.push(performance.now() - start)
    else refused += 1
    await sleep(10)
  }
  return { times: times.sort((a, b) => a - b), refused }
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

const users = []
for (let n = 0; n < people; n += 1) users.push(await signUp(`u${n}@example.org`))
const reader = await signUp('reader@example.org')
// The first of each kind starts processes, and loads what serves them.
await inParallel(kinds.length, (nth) => send(nth, users[nth]), 2)
await sleep(15_000)

console.log(`Node ${process.version}\n`)
console.log('| GET /forward-auth | answers | median ms | p99 ms | most ms | refused |')
console.log('|---|---|---|---|---|---|')
const end = performance.now() + seconds * 1_000
line('idle', await check(reader, () => performance.now() < end))
const before = memory()
let sending = true
let most = before
const watch = setInterval(() => (most = Math.max(most, memory())), 50)
const sent = inParallel(200, (nth) => send(nth, users[nth % people]), 8).finally(() => {
  sending = false
})
line('beside 200 hostile files', await check(reader, () => sending))
await sent
clearInterval(watch)
await sleep(15_000)
const after = memory()
const [b, m, a] = [before, most, after].map((size) => size.toFixed(0))
console.log(`\nmemory of the service: ${b} MB before, ${m} MB at most, ${a} MB 15 s after`)
console.log(`${retries} were sent again; judged:`, answers)
process.exit()

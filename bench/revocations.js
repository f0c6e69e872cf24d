// How late other instances refuse the token of a session that was logged out: three built servers, so many logouts a
// second on one of them. With one token in twenty both others are asked until they refuse it. The time of one such
// request is there too, because no delay can be measured that is shorter.
// `npm run bench:revocations [-- 1000 5]`, a second, and rounds of three seconds. DATABASE_URL names a PostgreSQL
// server on which a database can be made.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { benchDatabase } from './support/database.js'
import { startInstances } from './support/instances.js'
import { median } from './support/parallel.js'
import { openServices, openSessions } from './support/services.js'

const rate = Number(process.argv[2] ?? 1_000)
const rounds = Number(process.argv[3] ?? 5)
const seconds = 3
const oneIn = 20
const database = await benchDatabase()
const env = {
  DATABASE_URL: database.url,
  KEYS_SECRET: 'bench-0123456789-abcdefghij-ABCDEFGHIJ',
  PUBLIC_URL: 'http://localhost:3000',
}
const bench = await openServices(env)
const tokens = (await openSessions(bench, rate * seconds * (rounds + 1))).map(
  (each) => each.access_token,
)
await bench.close()
const [first, ...others] = await startInstances(3, env)
const agent = new Agent({ keepAlive: true, maxSockets: 64 })

const found = []
for (let round = 0; round <= rounds; round += 1) {
  const { delays, asked } = await run(rate * seconds)
  if (round > 0) found.push({ delays, asked }) // the first is for warming up
}
console.log(`| ${rate} logouts a second | p50, ms | p99, ms |\n|---|---|---|`)
const line = (name, of) => {
  const at = (share) => median(found.map((round) => percentile(of(round), share))).toFixed(1)
  console.log(`| ${name} | ${at(0.5)} | ${at(0.99)} |`)
}
line('from the answer to a logout to the refusal elsewhere', ({ delays }) => delays)
line('a request to the other instances', ({ asked }) => asked)
process.removeAllListeners('exit')
for (const { child } of [first, ...others]) child.removeAllListeners('exit').kill('SIGKILL')
await database.drop()
process.exit()

/** Logs out so many sessions at the rate. @returns the delays of the measured ones, and the times of their requests */
async function run(count) {
  const running = []
  const asked = []
  const start = performance.now()
  for (let nth = 0; nth < count; nth += 1) {
    const wait = start + (nth * 1_000) / rate - performance.now()
    if (wait > 1) await sleep(wait)
    running.push(logOut(tokens.pop(), nth % oneIn === 0 ? asked : undefined))
  }
  return { delays: (await Promise.all(running)).flat(), asked }
}

async function logOut(token, asked) {
  const refusals = asked ? others.map((other) => refusedAt(other, token, asked)) : []
  const status = await ask(first, 'POST', '/api/logout', token)
  if (status !== 200) throw new Error(`a logout was answered with ${status}`)
  const end = performance.now()
  return (await Promise.all(refusals)).map((time) => Math.max(0, time - end))
}

/** The time of the first answer that refuses the token. */
async function refusedAt(instance, token, asked) {
  for (;;) {
    const start = performance.now()
    const status = await ask(instance, 'GET', '/forward-auth', token)
    const end = performance.now()
    asked.push(end - start)
    if (status !== 200) return end
  }
}

function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)]
}

function ask({ port }, method, path, token) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    const asked = request({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode))
    })
    asked.once('error', reject).end()
  })
}

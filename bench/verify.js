// What the check of a token costs: CPU time of the server for each request, beside Fastify's bare hello and
// beside the same route without the check: `npm run bench:verify [-- ROUNDS]`.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { median } from './support/parallel.js'

const rounds = Number(process.argv[2] ?? 21)
const count = 10_000
const connections = 32

/** One core for the servers, and another for who asks. */
function pin(pid, core) {
  if (process.platform === 'linux') execFileSync('taskset', ['-a', '-p', '-c', `${core}`, `${pid}`])
}

async function start(file) {
  const child = fork(new URL(file, import.meta.url), { stdio: 'ignore' })
  const [told] = await once(child, 'message')
  pin(child.pid, 0)
  const cpu = async () => {
    child.send('cpu')
    const [answer] = await once(child, 'message')
    return answer.cpu
  }
  return { ...told, cpu, stop: () => child.disconnect() }
}

/** So many requests over kept connections, each sent when the one before it was answered with 200. */
async function ask(port, path, headers = {}) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}\r\n`
  let left = count
  // Who sleeps has to be woken, which the server's write would pay for, and a slow server's more often.
  const stayAwake = () => void (left > 0 && setImmediate(stayAwake))
  stayAwake()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(port, '127.0.0.1')
      const next = () => (left-- > 0 ? socket.write(request) : socket.end())
      socket.on('connect', next)
      socket.on('data', (chunk) => {
        if (!chunk.toString('latin1', 0, 12).startsWith('HTTP/1.1 200'))
          socket.destroy(new Error(`${chunk}`))
        else next()
      })
      await once(socket, 'close')
    }),
  )
}

pin(process.pid, 1)
const floor = await start('support/floor-server.js')
const own = await start('support/verify-server.js')
const bearer = { authorization: `Bearer ${own.access_token}` }
const ways = {
  'Fastify’s hello': () => ask(floor.port, '/'),
  'a route without the check': () => ask(own.port, '/open', bearer),
  'the same route with it': () => ask(own.port, '/secured', bearer),
  'forward-auth': () => ask(own.port, '/forward-auth', bearer),
}
const servers = [floor, own, own, own]

const costs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
for (let round = -2; round < rounds; round += 1) {
  for (const [nth, [name, way]] of Object.entries(ways).entries()) {
    const before = await servers[nth].cpu()
    await way()
    const cost = ((await servers[nth].cpu()) - before) / count
    if (round >= 0) costs[name].push(cost) // before that it warms up
  }
}

const [hello, open] = Object.values(costs)
const ratio = (of, own) => median(own.map((cost, round) => of[round] / cost)).toFixed(2)
console.log('| | µs of CPU | hello ÷ it | without the check ÷ it |\n|---|---|---|---|')
for (const [name, own] of Object.entries(costs)) {
  console.log(
    `| ${name} | ${median(own).toFixed(1)} | ${ratio(hello, own)} | ${ratio(open, own)} |`,
  )
}
floor.stop()
own.stop()
process.exit()

// What the check of a token costs: CPU time of the server for each request, beside Fastify's bare hello and
// beside the same route without the check: `npm run bench:verify [-- ROUNDS]`.
import { median } from './support/parallel.js'
import { ask, pin, startPinned } from './support/pinned.js'

const rounds = Number(process.argv[2] ?? 21)
const count = 10_000

pin(process.pid, 1)
const floor = await startPinned(new URL('support/floor-server.js', import.meta.url))
const own = await startPinned(new URL('support/verify-server.js', import.meta.url))
const bearer = { authorization: `Bearer ${own.access_token}` }
const ways = {
  'Fastify’s hello': () => ask(floor.port, '/', count),
  'a route without the check': () => ask(own.port, '/open', count, bearer),
  'the same route with it': () => ask(own.port, '/secured', count, bearer),
  'forward-auth': () => ask(own.port, '/forward-auth', count, bearer),
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

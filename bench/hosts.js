// What forward-auth costs: CPU time of the server for each request, by an access token and by the cookie of an app's host,
// beside another checkout: `npm run bench:hosts [-- OTHER_CHECKOUT [ROUNDS]]`. It needs DATABASE_URL for both.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { benchDatabase } from './support/database.js'
import { median } from './support/parallel.js'
import { ask, pin, startPinned } from './support/pinned.js'

const [other, rounds = 21] = process.argv.slice(2)
const count = 10_000
const host = 'app.example.org'

const databases = []
async function start(checkout, env = {}) {
  const database = await benchDatabase(`_${databases.length}`)
  databases.push(database)
  const file = new URL('bench/support/verify-server.js', pathToFileURL(`${resolve(checkout)}/`))
  const shared = { PUBLIC_URL: 'https://auth.example.org', DATABASE_URL: database.url }
  const all = { ...process.env, ...env, ...shared }
  return startPinned(file, { cwd: checkout, env: all })
}

pin(process.pid, 1)
const before = await start(other ?? '.')
const own = await start('.')
const many = await start('.', { FORWARD_AUTH_HOSTS: host })
const proxied = {
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-host': host,
  'x-forwarded-proto': 'https',
}
const bearerOf = ({ access_token }) => ({ authorization: `Bearer ${access_token}` })
const cookieOf = ({ access_token }) => ({ ...proxied, cookie: `__Host-session=${access_token}` })
const ways = {
  'another checkout, Bearer': [before, bearerOf(before)],
  'another checkout, cookie': [before, cookieOf(before)],
  Bearer: [own, bearerOf(own)],
  cookie: [own, cookieOf(own)],
  'Bearer, with FORWARD_AUTH_HOSTS': [many, bearerOf(many)],
  "cookie of the app's host": [many, { ...proxied, cookie: `__Host-gatehouse=${many.host_token}` }],
}

const costs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
for (let round = -2; round < rounds; round += 1) {
  for (const [name, [server, headers]] of Object.entries(ways)) {
    const start = await server.cpu()
    await ask(server.port, '/forward-auth', count, headers)
    const cost = ((await server.cpu()) - start) / count
    if (round >= 0) costs[name].push(cost) // before that it warms up
  }
}

const [byBearer, byCookie] = Object.values(costs)
console.log('| | µs of CPU | ÷ the other checkout |\n|---|---|---|')
for (const [name, own] of Object.entries(costs)) {
  const first = name.includes('ookie') ? byCookie : byBearer
  const ratio = median(own.map((cost, round) => cost / first[round]))
  console.log(`| ${name} | ${median(own).toFixed(1)} | ${ratio.toFixed(2)} |`)
}
for (const server of [before, own, many]) server.stop()
for (const { drop } of databases) await drop()
process.exit()

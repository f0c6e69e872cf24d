// Two thousand users with pictures: how fast are their list and their pictures, beside a request that
// does nothing? DATABASE_URL names an empty database; run it after `npm run build`.
import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const users = 2_000
const rounds = 400
const port = 3990
const origin = `http://127.0.0.1:${port}`
const agent = new Agent({ keepAlive: true })

const server = spawn(process.execPath, ['dist/server.js'], {
  env: { ...process.env, PORT: String(port), RATE_LIMIT: 'off', LOG_LEVEL: 'warn' },
  stdio: 'inherit',
})
process.on('exit', () => server.kill())

function ask(path, { headers = {}, method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(origin + path, { agent, method, headers }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () =>
        resolve({
          status: answer.statusCode,
          headers: answer.headers,
          body: Buffer.concat(chunks),
        }),
      )
    })
    asked.on('error', reject)
    asked.end(body)
  })
}
const json = async (path, value) => {
  const headers = { 'content-type': 'application/json' }
  const answer = await ask(path, { method: 'POST', headers, body: JSON.stringify(value) })
  return JSON.parse(answer.body)
}

while ((await ask('/health/ready').catch(() => ({}))).status !== 200) await sleep(100)
const password = 'correct horse battery'
const { user } = await json('/api/register', { email: 'admin@example.org', password })
const db = new pg.Client({ connectionString: process.env.DATABASE_URL })
await db.connect()
await db.query(`insert into user_roles values ($1, 'admin')`, [user.id])
await db.query(
  `with made as (
     insert into users (id, username, username_canonical, activated_at)
     select gen_random_uuid(), 'user-' || n, 'user-' || n, now() from generate_series(1, $1) n
     returning id
   )
   insert into pictures (user_id, hash, large, small)
   select id, md5(id::text) || 'abcdefghijk', decode(repeat(md5(id::text), 1500), 'hex'),
     decode(repeat(md5(id::text), 100), 'hex') from made`,
  [users],
)
await db.query('analyze')
const { rows } = await db.query('select user_id as id, hash from pictures order by random()')
await db.end()
const { access_token } = await json('/api/login', { email: 'admin@example.org', password })
const authorization = `Bearer ${access_token}`

const any = () => rows[Math.floor(Math.random() * rows.length)]
const requests = {
  'GET /health/live': () => ask('/health/live'),
  'GET picture, 24 KB': () => {
    const { id, hash } = any()
    return ask(`/api/users/${id}/picture?v=${hash}`)
  },
  'GET picture, ETag known (304)': () => {
    const { id, hash } = any()
    const headers = { 'if-none-match': `"${hash}.large"` }
    return ask(`/api/users/${id}/picture?v=${hash}`, { headers })
  },
  'GET /api/users, 50 of them': () => ask('/api/users', { headers: { authorization } }),
  'GET /api/users, from the middle': () =>
    ask(`/api/users?cursor=${any().id}`, { headers: { authorization } }),
  'GET /api/users?search=user-1999': () =>
    ask('/api/users?search=user-1999', { headers: { authorization } }),
}

// In turns, so that a noisy machine is noisy for all.
const times = Object.fromEntries(Object.keys(requests).map((name) => [name, []]))
for (let round = 0; round < rounds; round += 1) {
  for (const [name, send] of Object.entries(requests)) {
    const start = performance.now()
    const { status } = await send()
    if (status !== 200 && status !== 304) throw new Error(`${name} answered ${status}`)
    times[name].push(performance.now() - start)
  }
}
const at = (values, share) => values.sort((a, b) => a - b)[Math.floor(values.length * share)]
const base = at(times['GET /health/live'], 0.5)
console.log(`${users} users with pictures, ${rounds} rounds, one connection`)
console.log('| request | median ms | p99 ms | medians, GET /health/live = 1 |\n|---|---|---|---|')
for (const [name, values] of Object.entries(times)) {
  const [median, p99] = [at(values, 0.5), at(values, 0.99)]
  console.log(
    `| ${name} | ${median.toFixed(2)} | ${p99.toFixed(2)} | ${(median / base).toFixed(1)} |`,
  )
}
process.exit(0)

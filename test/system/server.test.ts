import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ada, type LoginAnswer } from '../support/app.js'
import { queryAt, testDatabase } from '../support/database.js'
import { post, spawnServer, startServer, untilReady } from '../support/server-process.js'

// It tries for 30 seconds, while the other tests run.
const withoutDatabase = spawnServer(t, {
  DATABASE_URL: 'postgres://gatehouse:hunter2@127.0.0.1:1/gatehouse',
})

t.test(
  'a wrong configuration exits with 1, naming every variable and showing no secret',
  async (t) => {
    const server = await spawnServer(t, {
      NODE_ENV: 'production',
      DATABASE_URL: 'hunter2',
      KEYS_SECRET: '',
      METRICS_TOKEN: 'hunter2',
      ACCESS_TOKEN_TTL: 'forever',
      TRUST_PROXY: 'maybe',
      APP_NAME: 'a'.repeat(61),
      DATABSE_URL: 'hunter2',
    })
    t.equal(await server.exited, 1)
    const names = 'DATABASE_URL KEYS_SECRET METRICS_TOKEN ACCESS_TOKEN_TTL TRUST_PROXY APP_NAME'
    for (const name of names.split(' ')) t.match(server.output(), `\n- ${name} `)
    t.match(server.output(), 'not "forever"')
    t.match(server.output(), 'not "maybe"')
    t.match(server.output(), 'it has 61')
    t.match(server.output(), '\nWarning: DATABSE_URL is not a variable of Gatehouse')
    t.notMatch(server.output(), /hunter2|\bat .*\.js/)
  },
)

t.test(
  'twenty that start at once on an empty database all serve, with one key',
  { timeout: 180_000 },
  async (t) => {
    const url = await testDatabase(t, { empty: true })
    const PUBLIC_URL = 'https://auth.example.org'
    const env = { DATABASE_URL: url, DATABASE_POOL_SIZE: '2', NODE_ENV: 'production', PUBLIC_URL }
    const servers = await Promise.all(Array.from({ length: 20 }, () => spawnServer(t, env)))
    await Promise.all(servers.map(untilReady))
    t.equal(servers.filter((server) => server.output().includes('migrated 0001_users')).length, 1)
    const sets = await Promise.all(
      servers.map(async ({ origin }) => (await fetch(`${origin}/.well-known/jwks.json`)).text()),
    )
    t.equal(new Set(sets).size, 1)
    const [first, second] = servers
    await post(`${first?.origin}/api/register`, ada)
    const { body } = await post<LoginAnswer>(`${second?.origin}/api/login`, ada)
    for (const { origin } of servers) {
      const answer = await fetch(`${origin}/api/user`, {
        headers: { authorization: `Bearer ${body.access_token}` },
      })
      t.equal(answer.status, 200)
    }
  },
)

t.test('SIGTERM lets the request in flight end, refuses the next, and exits with 0', async (t) => {
  const url = await testDatabase(t)
  const server = await startServer(t, {
    DATABASE_URL: url,
    ARGON2_MEMORY: '262144',
    ARGON2_ITERATIONS: '5',
  })
  const idle = connect(Number(new URL(server.origin).port), '127.0.0.1')
  idle.on('error', () => undefined)
  t.teardown(() => idle.destroy())
  const inFlight = post(`${server.origin}/api/register`, ada)
  await sleep(300)
  server.child.kill('SIGTERM')
  const answer = await inFlight
  t.equal(answer.status, 201)
  t.equal(answer.headers.get('connection'), 'close')
  const ended = Date.now()
  t.equal(await server.exited, 0)
  t.ok(Date.now() - ended < 8_000, 'an idle keep-alive connection does not hold it')
  t.equal((await queryAt(url, 'select from users')).length, 1)
})

t.test('logs are JSON lines that hold no password, token, cookie or forged field', async (t) => {
  const url = await testDatabase(t)
  const server = await startServer(t, { DATABASE_URL: url, LOG_LEVEL: 'trace' })
  const password = 'canary-Zq8v-password'
  const agent = { 'user-agent': 'a","level":60,"msg":"forged' }
  await post(`${server.origin}/api/register`, { ...ada, password }, agent)
  const { body } = await post<LoginAnswer>(
    `${server.origin}/api/login`,
    { ...ada, password },
    agent,
  )
  const { access_token, refresh_token } = body
  await post(`${server.origin}/api/login`, { ...ada, password: `${password}-wrong` })
  await fetch(`${server.origin}/api/user?access_token=${access_token}`)
  await fetch(`${server.origin}/api/user`, { headers: { cookie: `session=${access_token}x` } })
  await post(`${server.origin}/api/refresh`, { refresh_token })
  await fetch(`${server.origin}/%0a{"level":60}`)
  server.child.kill('SIGTERM')
  await server.exited
  const lines = server.output().trim().split('\n')
  t.ok(lines.length > 7)
  for (const line of lines) t.equal((JSON.parse(line) as { level: unknown }).level === 60, false)
  for (const secret of [password, access_token, refresh_token, new URL(url).password]) {
    if (secret) t.notOk(server.output().includes(secret))
  }
})

t.test('a database that cannot be reached exits with 1, without its password', async (t) => {
  const server = await withoutDatabase
  t.equal(await server.exited, 1)
  t.match(server.output(), /ECONNREFUSED/)
  t.notMatch(server.output(), 'hunter2')
  const lines = server.output().trim().split('\n')
  const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level)
  t.same(levels.at(-1), 'fatal')
  t.match(lines.at(-1), 'PostgreSQL does not answer at 127.0.0.1:1 (ECONNREFUSED): start it')
  t.notMatch(lines.at(-1), 'stack')
  t.equal(
    lines.filter((line) => line.includes('does not answer, retrying')).length,
    lines.length - 1,
  )
  t.ok(lines.length > 5, 'a line a try')
})

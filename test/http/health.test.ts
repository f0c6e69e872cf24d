import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import t from 'tap'
import { drain } from '../../src/http/drain.js'
import { errors } from '../../src/http/errors.js'
import { health } from '../../src/http/health.js'
import { pino } from 'pino'
import { testApp } from '../support/app.js'

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

const methods = ['GET', 'HEAD', 'OPTIONS'] as const

t.test('both answer with the version', async (t) => {
  const { app } = await testApp(t)
  for (const url of ['/health/live', '/health/ready']) {
    const statuses = { GET: 200, HEAD: 200, OPTIONS: 204 }
    t.same((await app.inject(url)).json(), { status: 'success', version })
    for (const method of methods) {
      const answer = await app.inject({ method, url })
      t.equal(answer.statusCode, statuses[method], `${method} ${url}`)
      if (method !== 'GET') t.equal(answer.body, '')
      if (method === 'OPTIONS') t.equal(answer.headers.allow, 'GET, HEAD, OPTIONS')
    }
  }
})

t.test('a draining instance is not ready by any method', async (t) => {
  const { app } = await testApp(t)
  app.drain()
  t.match((await app.inject('/health/ready')).json(), { version, reason: 'draining' })
  for (const method of methods) {
    t.equal((await app.inject({ method, url: '/health/ready' })).statusCode, 503, method)
    t.not((await app.inject({ method, url: '/health/live' })).statusCode, 503, method)
  }
})

t.test('the reason names what is wrong first, and no more', async (t) => {
  const faults = ['denylist_stale', 'clock_skew', 'no_signing_key'] as const
  let fault: (typeof faults)[number] | undefined
  let ping = () => Promise.resolve()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors, { log: pino({ level: 'silent' }) })
  await app.register(drain)
  await app.register(health, { ping: () => ping(), faultOf: () => fault })
  const ready = async () => {
    const { statusCode, ...answer } = await app.inject('/health/ready')
    return { statusCode, ...answer.json<Record<string, unknown>>() }
  }
  t.match(await ready(), { statusCode: 200 })
  for (fault of faults) t.match(await ready(), { statusCode: 503, reason: fault })
  ping = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7:5432'))
  const refused = await ready()
  t.same(refused, {
    statusCode: 503,
    status: 'error',
    code: 'unavailable',
    message: 'Temporarily unavailable: try again soon',
    version,
    reason: 'database_unreachable',
  })
  ping = () => new Promise<never>(() => undefined)
  t.match(await ready(), { reason: 'database_unreachable' }, 'a database that does not answer')
  app.drain()
  t.match(await ready(), { reason: 'draining' })
})

t.test('checks at the same time share one query, and the next check sends another', async (t) => {
  let pings = 0
  const answers: (() => void)[] = []
  const ping = () => {
    pings += 1
    return new Promise<void>((resolve) => answers.push(resolve))
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors, { log: pino({ level: 'silent' }) })
  await app.register(drain)
  await app.register(health, { ping, faultOf: () => undefined })
  const checks = Array.from({ length: 100 }, () => app.inject('/health/ready'))
  while (answers.length === 0) await new Promise(setImmediate)
  await new Promise(setImmediate)
  answers.forEach((answer) => answer())
  t.ok((await Promise.all(checks)).every(({ statusCode }) => statusCode === 200))
  t.equal(pings, 1)
  const later = app.inject('/health/ready')
  while (answers.length === 1) await new Promise(setImmediate)
  answers.at(-1)!()
  t.equal((await later).statusCode, 200)
  t.equal(pings, 2)
})

t.test('a check does not wait for a pool whose connections are all busy', async (t) => {
  const { app, db, config } = await testApp(t)
  const busy = Array.from({ length: config.DATABASE_POOL_SIZE }, () =>
    db.query('select pg_sleep(1.5)'),
  )
  t.equal((await app.inject('/health/ready')).statusCode, 200)
  await Promise.all(busy)
})

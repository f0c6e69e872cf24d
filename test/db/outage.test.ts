import pg from 'pg'
import t from 'tap'
import { createOutage, logFailure } from '../../src/db/outage.js'
import { AppError } from '../../src/errors.js'

type Line = { level: string; message: string; [field: string]: unknown }

const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
  code: 'ECONNREFUSED',
  syscall: 'connect',
})

function createLog() {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields })
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn') } }
}

t.test('an outage is one line at its start and one at its end, however many faults it has', (t) => {
  let time = 1_000
  const { log, lines } = createLog()
  const outage = createOutage({ log, now: () => time })
  const [pool, feed] = [outage.watch('db:5432'), outage.watch('direct:5433')]
  pool.answered()
  t.same(lines, [])
  for (let n = 0; n < 10; n += 1) {
    pool.lost(new AppError('unavailable', { cause: refused }))
    feed.lost(refused)
    time += 400
  }
  t.ok(outage.isLost())
  const start = { level: 'warn', message: 'database lost, retrying', address: 'db:5432' }
  t.same(lines, [{ ...start, code: 'ECONNREFUSED' }])
  time += 100
  pool.answered()
  t.equal(lines.length, 1, 'the other connection is still lost')
  time += 100
  feed.answered()
  t.notOk(outage.isLost())
  t.same(lines[1], { level: 'info', message: 'database answers again', ms: 4_200 })
  time += 1_000
  pool.answered()
  t.equal(lines.length, 2)
  t.end()
})

t.test('a connection that fails now and then is one outage', (t) => {
  let time = 0
  const { log, lines } = createLog()
  const outage = createOutage({ log, now: () => time })
  const pool = outage.watch('db:5432')
  for (let n = 0; n < 10; n += 1) {
    pool.lost(new Error('Connection terminated unexpectedly'))
    pool.answered()
    time += 100
  }
  time += 500
  pool.answered()
  t.match(lines, [
    { level: 'warn', reason: 'Connection terminated unexpectedly' },
    { level: 'info', ms: 900 },
  ])
  t.equal(lines.length, 2)
  t.end()
})

t.test('only a fault of the connection is no warning of the work that it hits', (t) => {
  const starting = new pg.DatabaseError('the database system is starting up', 0, 'error')
  starting.code = '57P03'
  const denied = new pg.DatabaseError('permission denied', 0, 'error')
  denied.code = '42501'
  const busy = new Error('timeout exceeded when trying to connect')
  for (const [err, level] of [
    [new AppError('unavailable', { cause: refused }), 'debug'],
    [new AppError('unavailable', { cause: starting }), 'debug'],
    [new Error('the connection was lost'), 'debug'],
    [new Error('no answer from the database within 1000 ms'), 'debug'],
    [new AppError('unavailable', { cause: busy }), 'warn'],
    [denied, 'warn'],
    [new TypeError('a bug'), 'warn'],
  ] as const) {
    const { log, lines } = createLog()
    logFailure(log, err, 'work failed')
    t.same(lines, [{ level, message: 'work failed', err }], err.message)
  }
  t.end()
})

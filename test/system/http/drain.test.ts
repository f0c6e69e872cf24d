import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { listeningApp, testApp } from '../../support/app.js'
import { logins } from '../../support/cluster.js'
import { testDatabase } from '../../support/database.js'
import { exchange, listen, open, toBytes } from '../../support/http/connection.js'
import { startServer } from '../../support/server-process.js'
import { losses, none, stopUnderLoad } from '../../support/stop-under-load.js'

t.test(
  'SIGTERM under load resets no connection and loses no answer',
  { timeout: 120_000 },
  async (t) => {
    const env = { DATABASE_URL: await testDatabase(t), PUBLIC_URL: 'http://gatehouse.test' }
    const [login] = await logins(await startServer(t, env), 1)
    const connections = 100
    const stop = await stopUnderLoad(t, env, login!, { connections, delay: 2 })
    t.strictSame(losses(stop.before), none)
    t.ok(stop.before.told > connections / 2, `${stop.before.told} were told`)
    t.strictSame(losses(stop.during), none)
    t.same(stop.ready, { status: 503, connection: 'close' }, 'not ready, and it still listens')
    t.equal(stop.slow, 401, 'the request that took five seconds has its answer')
    t.equal(stop.code, 0)
    t.ok(stop.ms < 10_000, `${stop.ms.toFixed(0)} ms`)
  },
)

t.test('a draining service is not ready, and goes on serving', async (t) => {
  const { app } = await testApp(t)
  t.equal((await app.inject('/health/ready')).statusCode, 200)
  app.drain()
  const answer = await app.inject('/health/ready')
  t.match(answer, { statusCode: 503, headers: { connection: 'close', 'retry-after': '1' } })
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test('every answer closes its connection, also to what no route gets to see', async (t) => {
  const { app, origin } = await listeningApp(t)
  app.drain()
  for (const target of ['/health/live', '/nowhere', '/%zz', '/api/user', '//']) {
    const { answers, end } = await exchange(origin, toBytes({ target, basics: ['Host: x'] }))
    t.match(answers, [{ headers: { connection: 'close' } }], target)
    t.equal(end, 'closed', target)
  }
})

t.test('of pipelined requests all are answered, and the last closes the connection', async (t) => {
  const { app, origin } = await listeningApp(t)
  app.drain()
  const one = toBytes({ target: '/health/ready', basics: ['Host: x'] })
  const { answers, end } = await exchange(origin, Buffer.concat([one, one, one]))
  t.same(
    answers.map(({ headers }) => headers.connection),
    [undefined, undefined, 'close'],
  )
  t.equal(end, 'closed')
})

t.test('an idle connection gets its turn, and then an end instead of a reset', async (t) => {
  const { app, origin } = await listeningApp(t)
  const request = toBytes({ target: '/health/live', basics: ['Host: x'] })
  const fresh = open(origin)
  await once(fresh, 'connect')
  const idle = open(origin)
  let resets = 0
  for (const socket of [fresh, idle]) socket.on('error', () => (resets += 1))
  idle.write(request)
  await once(idle, 'data')
  const closing = app.close()
  // In the buffer of a connection that the service takes for idle.
  fresh.write(request)
  const heard = await listen(fresh)
  t.match(heard, { answers: [{ status: 200, headers: { connection: 'close' } }], end: 'closed' })
  await once(idle.resume(), 'end')
  // Crosses the end of the connection: not processed, and not reset.
  idle.write(request)
  await sleep(200)
  idle.end()
  await closing
  t.equal(resets, 0)
})

t.test('a request that never arrives whole does not hold the service', async (t) => {
  const { app, origin } = await listeningApp(t)
  const head = open(origin)
  head.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const heard = listen(head, 20_000)
  await sleep(100)
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 7_000)
  t.match((await heard).answers, [{ status: 408 }])
})

t.test('without a delay, and by a second signal, it ends sooner', async (t) => {
  const DATABASE_URL = await testDatabase(t)
  const server = await startServer(t, { DATABASE_URL, SHUTDOWN_DELAY: '60s' })
  server.child.kill('SIGTERM')
  server.child.kill('SIGTERM')
  await sleep(700)
  t.equal(server.child.exitCode, null, 'two at once are one')
  server.child.kill('SIGTERM')
  t.equal(await server.exited, 1)
  const second = await startServer(t, { DATABASE_URL, SHUTDOWN_DELAY: '0s' })
  const start = performance.now()
  second.child.kill('SIGTERM')
  t.equal(await second.exited, 0)
  t.ok(performance.now() - start < 5_000)
})

t.test('connections that wait to be accepted when it closes are served', async (t) => {
  const { app, origin } = await listeningApp(t)
  const request = toBytes({ target: '/health/live', basics: ['Host: x'] })
  const clients = Array.from({ length: 50 }, () => exchange(origin, request))
  // The kernel has taken the connections; this process, which is also the service, has not.
  await new Promise((resolve) => process.nextTick(resolve))
  const until = performance.now() + 100
  while (performance.now() < until);
  await app.close()
  const heard = await Promise.all(clients)
  t.same(
    heard.map(({ answers }) => answers[0]?.status),
    Array<number>(50).fill(200),
  )
})

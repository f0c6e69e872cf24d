import { Agent, request as ask } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { createDeadlines } from '../../src/http/deadlines.js'
import { createServer } from '../../src/http/server.js'
import { createLogger } from '../../src/log/logger.js'
import { errors } from '../../src/http/errors.js'
import { json } from '../../src/http/json.js'
import { requests } from '../../src/http/requests.js'
import { exchange, open, toBytes } from '../support/http/connection.js'
import { until } from '../support/until.js'

type Line = { level: string; msg?: string; status?: number; err?: { code?: string } }

/** The server with routes that answer when `finish` is called, and one connection to it. */
async function slowServer(t: Test) {
  const lines: Line[] = []
  const write = (line: string) => void lines.push(JSON.parse(line) as Line)
  const log = createLogger('debug', { write })
  const app = createServer({ trustProxy: [], log })
  await app.register(requests, { log, durations: undefined, deadlines: { limit: 150, every: 25 } })
  await app.register(errors, { log })
  await app.register(json)
  const waiting: ((fault?: Error) => void)[] = []
  const wait = () =>
    new Promise<void>((resolve, reject) => {
      waiting.push((fault) => (fault ? reject(fault) : resolve()))
    })
  let handled = 0
  app.route({
    method: ['GET', 'POST'],
    url: '/slow',
    handler: async (_request, reply) => {
      await wait()
      reply.header('x-late', 'yes')
      return { late: true }
    },
  })
  app.post('/slow-hook', { preHandler: wait }, async () => {
    handled += 1
    return { late: true }
  })
  app.post('/patient', { config: { deadline: 60_000 } }, async () => {
    await sleep(400)
    return { patient: true }
  })
  app.get('/quick', async () => ({ quick: true }))
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => {
    agent.destroy()
    return app.close()
  })

  async function send(method: string, path: string, payload?: object) {
    const headers = payload ? { 'content-type': 'application/json' } : {}
    const sent = ask(origin + path, { method, headers, agent })
    sent.end(payload && JSON.stringify(payload))
    const [answer] = await once(sent, 'response')
    const body = JSON.parse(await text(answer)) as Record<string, unknown>
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body,
      port: sent.socket?.localPort,
    }
  }
  const finish = (fault?: Error) => waiting.splice(0).forEach((end) => end(fault))
  return { app, origin, lines, send, finish, handled: () => handled }
}

t.test('a request that is not answered in time is answered with 503', async (t) => {
  const { send, finish, lines } = await slowServer(t)
  for (const [method, payload] of [
    ['GET', undefined],
    ['POST', undefined],
    ['POST', { a: 1 }],
  ] as const) {
    const { status, headers, body, port } = await send(method, '/slow', payload)
    t.match({ status, code: body.code }, { status: 503, code: 'unavailable' }, method)
    t.ok(Number(headers['retry-after']) > 0)
    lines.length = 0
    finish()
    const isLogged = () => lines.some(({ err }) => err?.code === 'FST_ERR_REP_ALREADY_SENT')
    await until(isLogged, 'the late answer in the log')
    const next = await send('GET', '/quick')
    t.strictSame(next.body, { quick: true }, 'the next answer is its own')
    t.equal(next.headers['x-late'], undefined)
    t.equal(next.port, port, 'on the same connection')
  }
})

t.test('what fails after its time is in the log, and nowhere else', async (t) => {
  const { send, finish, lines } = await slowServer(t)
  t.equal((await send('POST', '/slow', { a: 1 })).status, 503)
  finish(new Error('too late'))
  const isLogged = () => lines.some(({ msg }) => msg?.includes('Promise errored'))
  await until(isLogged, 'the late failure in the log')
  t.strictSame((await send('GET', '/quick')).body, { quick: true })
})

t.test('a handler whose time ended before its turn is not run', async (t) => {
  const { send, finish, handled } = await slowServer(t)
  t.equal((await send('POST', '/slow-hook', { a: 1 })).status, 503)
  finish()
  t.strictSame((await send('GET', '/quick')).body, { quick: true })
  t.equal(handled(), 0)
})

t.test('a route may take the time that it says', async (t) => {
  const { send } = await slowServer(t)
  t.strictSame((await send('POST', '/patient', { a: 1 })).body, { patient: true })
})

t.test('a client that left is not answered, and not logged as a failure', async (t) => {
  const { origin, send, lines } = await slowServer(t)
  const body = '{"a":1}'
  const headers = ['Content-Type: application/json']
  const sent = toBytes({ method: 'POST', target: '/slow', headers, body })
  const socket = open(origin)
  socket.write(sent)
  await sleep(50)
  socket.destroy()
  await sleep(300)
  t.strictSame(
    lines.filter(({ level }) => level === 'error'),
    [],
  )
  t.equal((await send('GET', '/quick')).status, 200)
})

t.test('a body that is still on its way when time ends closes its connection', async (t) => {
  const { origin } = await slowServer(t)
  const headers = ['Content-Type: application/json', 'Content-Length: 99']
  const first = toBytes({ method: 'POST', target: '/slow', basics: ['Host: localhost'], headers })
  const { answers, end } = await exchange(origin, Buffer.concat([first, Buffer.from('{')]))
  t.match(answers, [{ status: 503, headers: { connection: 'close' } }])
  t.equal(end, 'closed')
})

t.test('replies that were sent leave memory with the young generation', async (t) => {
  setFlagsFromString('--expose-gc')
  const collectYoung = runInNewContext('gc') as (options: object) => void
  const { add, remove } = createDeadlines()
  const open: FastifyReply[] = []
  const next = () => {
    const reply = { body: new Array(1_000).fill(0) } as unknown as FastifyReply
    add(reply)
    if (open.push(reply) > 16) remove(open.shift() as FastifyReply)
  }
  const oldSpace = () =>
    getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')
      ?.space_used_size ?? 0
  const run = () => {
    for (let nth = 0; nth < 1_000; nth += 1) {
      next()
      if (nth % 37 === 0) collectYoung({ type: 'minor' })
    }
  }
  run()
  const before = oldSpace()
  run()
  t.ok(oldSpace() - before < 2_000_000, `${oldSpace() - before} bytes of 8 MB`)
})

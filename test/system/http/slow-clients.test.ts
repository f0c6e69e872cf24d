import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { bearer, listeningApp, signUp } from '../../support/app.js'
import { exchange, listen, open, toBytes } from '../../support/http/connection.js'
import { collectRoutes, nameOf, type Route } from '../../support/http/route-table.js'
import { trickle } from '../../support/http/trickle.js'
import { faultsOfAnswer } from '../../support/http/verdict.js'

const routes = collectRoutes()

// In milliseconds; the service is quicker, this machine may not be.
const headBound = 15_000
const bodyBound = 25_000
const soon = 2_000

const host = ['Host: localhost']

// All at once, on one service: every client waits for most of its time.
t.test('slow clients are hung up on, and keep nobody waiting', async (t) => {
  const { app, origin } = await listeningApp(t)
  const { access_token } = await signUp(app)
  const token = `Authorization: ${bearer(access_token).authorization}`

  const heads: [name: string, first: string, piece: string][] = [
    ['a head that never ends', 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n', 'X: y\r\n'],
    ['a header that never ends', `GET / HTTP/1.1\r\nHost: localhost\r\n${token}\r\nX:`, 'x'],
    ['a head that stops', 'POST /api/login HTTP/1.1\r\nHost: localhost\r\n', ''],
    ['a first line that stops', 'GET /api/us', ''],
    ['a first line and nothing else', 'GET /health/live\r\n', ''],
    ['empty lines', '\r\n', '\r\n'],
  ]
  const reading = routes.filter(({ readsBody }) => readsBody)
  const isOAuth = ({ speaks }: Route) => speaks === 'oauth'
  const bodies = reading.filter((route) => !isOAuth(route)).flatMap((route) => slowBodies(route))
  const forms = reading
    .filter(isOAuth)
    .flatMap((route) => slowBodies(route, 'x-www-form-urlencoded'))

  await Promise.all([
    ...heads.map(([name, ...sent]) => isHungUpOn(t, origin, name, headBound, ...sent)),
    ...bodies.map(([name, ...sent]) => isHungUpOn(t, origin, name, bodyBound, ...sent)),
    ...forms.map(async ([name, first, piece]) => {
      const { answers, end } = await trickle(origin, { first, piece, wait: bodyBound })
      t.strictSame([end, answers.map(({ status }) => status)], ['closed', [408]], name)
    }),
    isHungUpOnInSilence(t, origin),
    unreadBodyEnds(t, origin, token),
    crowdKeepsNobodyWaiting(t, origin, token),
  ])
})

/** A body that stops, one that drips, and one that drips in chunks. */
function slowBodies(route: Route, type = 'json'): [name: string, first: Buffer, piece: string][] {
  const { method, path: target } = route
  const is = `Content-Type: application/${type}`
  const send = (header: string, body: string) =>
    toBytes({ method, target, basics: host, headers: [is, header], body, measured: false })
  return [
    [`${nameOf(route)}: a body that stops`, send('Content-Length: 99', '{"email":'), ''],
    [`${nameOf(route)}: a body that drips`, send('Content-Length: 999', '{'), ' '],
    [
      `${nameOf(route)}: chunks that drip`,
      send('Transfer-Encoding: chunked', '1\r\n{\r\n'),
      '1\r\n \r\n',
    ],
  ]
}

async function isHungUpOn(
  t: Test,
  origin: string,
  name: string,
  bound: number,
  first: string | Buffer,
  piece: string,
): Promise<void> {
  const { answers, rest, ms, end } = await trickle(origin, { first, piece, wait: bound })
  t.equal(end, 'closed', `${name}: closed after ${Math.round(ms)} ms`)
  const faults = answers.flatMap((answer) => faultsOfAnswer(answer, { codes: ['request_timeout'] }))
  t.strictSame({ faults, rest, count: answers.length }, { faults: [], rest: '', count: 1 }, name)
}

async function isHungUpOnInSilence(t: Test, origin: string): Promise<void> {
  const { end, ms } = await trickle(origin, { first: '', piece: '', wait: bodyBound })
  t.equal(end, 'closed', `silence: closed after ${Math.round(ms)} ms`)
}

/** GET is answered without its body, and the connection is not kept for the rest of it. */
async function unreadBodyEnds(t: Test, origin: string, token: string): Promise<void> {
  const first = toBytes({ target: '/api/user', basics: [...host, token, 'Content-Length: 999'] })
  const { answers, end } = await trickle(origin, { first, piece: 'x', wait: bodyBound })
  t.equal(answers[0]?.status, 200, 'a body that GET has not')
  t.equal(end, 'closed', 'a body that GET has not')
}

async function crowdKeepsNobodyWaiting(t: Test, origin: string, token: string): Promise<void> {
  const crowd = Array.from({ length: 400 }, () => open(origin))
  const ends = crowd.map((socket) => listen(socket, bodyBound))
  for (const socket of crowd.slice(200))
    socket.write('GET /api/user HTTP/1.1\r\nHost: localhost\r\n')
  const asked = [
    toBytes({ target: '/health/live' }),
    toBytes({ target: '/health/ready' }),
    toBytes({ target: '/api/user', headers: [token] }),
  ]
  for (let second = 0; second < 8; second += 1) {
    for (const bytes of asked) {
      const { answers, ms } = await exchange(origin, bytes)
      t.equal(answers[0]?.status, 200, 'in a crowd')
      t.ok(ms < soon, `in a crowd: answered after ${Math.round(ms)} ms`)
    }
    await sleep(1_000)
  }
  const left = (await Promise.all(ends)).filter(({ end }) => end === 'open')
  t.equal(left.length, 0, 'the crowd is gone')
}

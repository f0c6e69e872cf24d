import { EventEmitter } from 'node:events'
import t from 'tap'
import { createBodies } from '../../../src/features/uploads/bodies.js'
import { bearer, listeningApp, signUp } from '../../support/app.js'
import { until } from '../../support/until.js'
import { exchange, listen, open, toBytes } from '../../support/http/connection.js'

const boundary = 'the-boundary'
const head = `--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n`
const whole = `${head}# Ada\r\n--${boundary}--\r\n`
const path = '/api/upload_readme'

// All at once, on one service: to stall takes five seconds.
t.test('bodies have eight places, two a user, and lose them when they stall', async (t) => {
  const { app, origin } = await listeningApp(t)
  const tokens: string[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const account = { email: `${name}@example.org`, password: 'correct horse battery' }
    tokens.push((await signUp(app, account)).access_token)
  }
  const [first = '', , , , last = ''] = tokens
  const request = (token: string, body: string, target = path) =>
    toBytes({
      method: 'POST',
      target,
      basics: ['Host: localhost'],
      headers: [
        `Authorization: Bearer ${token}`,
        `Content-Type: multipart/form-data; boundary=${boundary}`,
        `Content-Length: ${whole.length}`,
      ],
      body,
      measured: false,
    })
  const send = async (token: string) => {
    const asked = {
      method: 'POST',
      headers: { ...bearer(token), 'content-type': `multipart/form-data; boundary=${boundary}` },
      body: whole,
    }
    const answer = await fetch(origin + path, asked)
    const { code } = (await answer.json()) as { code?: string }
    return { status: answer.status, code, wait: answer.headers.get('retry-after') }
  }

  // A busy machine may be slow to start the process that renders it.
  const isServed = async (token: string) => (await send(token)).status === 200
  await until(() => isServed(first), 'a README to be taken')
  const began = performance.now()
  const stalled = tokens.slice(0, 4).flatMap((token) =>
    ['/api/upload-picture', path].map((target) => {
      const socket = open(origin)
      const heard = listen(socket, 20_000)
      socket.write(request(token, head, target))
      return { socket, heard }
    }),
  )
  // Until all eight have their places, the fifth user is served.
  let refused = await send(last)
  while (refused.status === 200) refused = await send(last)
  t.match(refused, { status: 503, code: 'overloaded', wait: '1' }, 'a ninth body')
  t.match(await send(first), { status: 429, code: 'rate_limited', wait: '1' }, 'a third of a user')
  const token = `Authorization: Bearer ${first}`
  const asked = await exchange(origin, toBytes({ target: '/forward-auth', headers: [token] }))
  t.equal(asked.answers[0]?.status, 200, 'a check of a token')

  stalled[0]?.socket.destroy()
  await until(() => isServed(last), 'the place of a client that left')

  for (const { heard } of stalled.slice(1)) {
    const { answers, end } = await heard
    t.match(answers, [{ status: 408, body: /request_timeout/, headers: { connection: 'close' } }])
    t.equal(end, 'closed')
  }
  // A request has ten seconds in all, whatever it sends.
  t.ok(performance.now() - began < 9_500, 'five seconds')
  for (const token of tokens) await until(() => isServed(token), 'the places to be free')
})

t.test('a place is kept until the file was dealt with, though its client has left', async (t) => {
  const bodies = createBodies()
  const [request, raw] = [{ user: { sub: 'ada' } }, new EventEmitter()]
  await bodies.admit(request as never, { raw } as never)
  let finish = () => {}
  const working = bodies.during(
    request as never,
    () => new Promise<void>((resolve) => (finish = resolve)),
  )
  raw.emit('close')
  t.equal(bodies.held, 1)
  finish()
  await working
  t.equal(bodies.held, 0)
})

t.test('what is refused before it is read gives its place back', async (t) => {
  const { app, origin } = await listeningApp(t, {
    env: { RATE_LIMIT: 'on', RATE_LIMIT_UPLOADS: '3/1h' },
  })
  const { access_token } = await signUp(app)
  const statuses: number[] = []
  for (let nth = 0; nth < 12; nth += 1) {
    const form = new FormData()
    form.append('f', new Blob(['# Ada']), 'f')
    const asked = { method: 'POST', headers: bearer(access_token), body: form }
    const { status, headers } = await fetch(origin + path, asked)
    statuses.push(status)
    if (status === 429) t.ok(Number(headers.get('retry-after')) > 3_000, 'by the budget')
  }
  t.ok(
    statuses.slice(0, 3).every((status) => status !== 429),
    'the budget is three',
  )
  t.strictSame(statuses.slice(3), Array<number>(9).fill(429))
})

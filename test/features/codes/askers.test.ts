import t, { type Test } from 'tap'
import { mailingApp } from '../../support/smtp-sink.js'

const password = 'correct horse battery'
const new_password = 'a better horse battery'
const email = 'ada@example.org'
const home = '203.0.113.1'

type From = { network: string; cookie?: string }

async function service(t: Test) {
  const { origin, sink, sql, activeAccount } = await mailingApp(t)
  await activeAccount({ email, password })

  const post = (path: string, body: object, { network, cookie }: From) =>
    fetch(origin + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-forwarded-for': network,
        ...(cookie !== undefined && { cookie }),
      },
      body: JSON.stringify(body),
    })
  /** Asks for a message: the code in it, and the cookie that came with the answer. */
  const ask = async (from: From) => {
    const answer = await post('/api/password/forgot', { email }, from)
    const cookie = /asker=[^;]+/.exec(answer.headers.getSetCookie().join('\n'))?.[0] ?? ''
    return { cookie, ...(await sink.next(email)) }
  }
  const guess = async (code: string, from: From) =>
    (await post('/api/password/reset', { email, code, new_password }, from)).status
  return { sql, ask, guess }
}

const other = (code: string, nth = 1) => String((Number(code) + nth) % 1e8).padStart(8, '0')

t.test('the guesses of strangers end their own, not those of who asked', async (t) => {
  const { ask, guess } = await service(t)
  const { code, cookie } = await ask({ network: home })
  t.ok(cookie)
  for (let nth = 1; nth <= 5; nth += 1) {
    const network = `198.51.100.${nth}`
    t.equal(await guess(other(code, nth), { network, cookie: 'asker=AAAAAAAAAAAAAAAAAAAAAA' }), 400)
  }
  t.equal(await guess(code, { network: '198.51.100.6' }), 400, 'even the right one')
  for (let nth = 1; nth <= 3; nth += 1) {
    t.equal(await guess(other(code, nth), { network: home }), 400)
  }
  t.equal(await guess(other(code), { network: '203.0.113.2', cookie }), 400)
  t.equal(await guess(code, { network: '203.0.113.2', cookie }), 200, 'by the cookie')
})

t.test('who asked is known by the network too', async (t) => {
  const { ask, guess } = await service(t)
  const { code } = await ask({ network: '2001:db8:1:2::1' })
  for (let nth = 1; nth <= 5; nth += 1) await guess(other(code, nth), { network: '198.51.100.1' })
  t.equal(await guess(code, { network: '2001:db8:1:2::ffff' }), 200)
})

t.test('who asked has five guesses, and others five, however many come at once', async (t) => {
  const { ask, guess, sql } = await service(t)
  const { code } = await ask({ network: home })
  const statuses = await Promise.all(
    Array.from({ length: 50 }, (_, nth) =>
      guess(other(code, nth + 1), { network: nth % 2 === 0 ? home : `198.51.100.${nth}` }),
    ),
  )
  t.same(new Set(statuses), new Set([400]))
  t.same(await sql(`select attempts, asker_attempts from one_time_codes where used_at is null`), [
    { attempts: 5, asker_attempts: 5 },
  ])
  t.equal(await guess(code, { network: home }), 400)
})

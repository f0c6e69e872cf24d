import t, { type Test } from 'tap'
import { ada, signUp, testApp, type TestApp } from '../support/app.js'

const env = { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '10000/15m' }
const wrong = 'wrong horse battery'
const bob = { email: 'bob@example.org', password: 'another horse battery' }

type Attempt = { email?: string; password?: string; device?: string | undefined; from?: string }

/** A login over a trusted proxy, which says where it came from. */
const attempt = async (app: TestApp['app'], options: Attempt) => {
  const { email = ada.email, password = wrong, device, from = '192.0.2.1' } = options
  return app.inject({
    method: 'POST',
    url: '/api/login',
    payload: { email, password },
    headers: { 'x-forwarded-for': from },
    ...(device !== undefined && { cookies: { device } }),
  })
}

/** The mark of a device on which an account logged in. */
async function deviceOf(app: TestApp['app'], account = ada): Promise<string> {
  const { cookies } = await attempt(app, account)
  return cookies.find(({ name }) => name === 'device')?.value ?? ''
}

/** So many wrong guesses, each from another address; their statuses. */
async function burn(app: TestApp['app'], count: number, options: Attempt = {}): Promise<number[]> {
  const statuses: number[] = []
  for (let nth = 0; nth < count; nth += 1) {
    const answer = await attempt(app, { from: `198.51.100.${nth}`, ...options })
    statuses.push(answer.statusCode)
  }
  return statuses
}

/** Time stands still: no wait ends while a machine is busy. */
function freeze(t: Test): void {
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
}

t.test('guesses from a hundred addresses do not lock the owner out', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  const device = await deviceOf(app)
  freeze(t)
  const statuses = await burn(app, 100)
  t.same(statuses, [...Array<number>(6).fill(401), ...Array<number>(94).fill(429)])

  const stranger = await attempt(app, { ...ada, from: '203.0.113.1' })
  t.equal(stranger.statusCode, 429, 'elsewhere even the right password has to wait')
  t.match(stranger.json(), { status: 'error', code: 'rate_limited' })
  t.match(stranger.headers, {
    'retry-after': '1',
    'ratelimit-limit': '1',
    'ratelimit-remaining': '0',
    'ratelimit-reset': '1',
  })
  t.notOk(stranger.cookies.length)

  const owner = await attempt(app, { ...ada, device, from: '203.0.113.2' })
  t.equal(owner.statusCode, 200, 'but a device that the owner used before does not')
})

t.test('an unknown account is limited exactly as a known one', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  freeze(t)
  const answers = async (email: string) => {
    const seen: object[] = []
    for (let nth = 0; nth < 10; nth += 1) {
      const { statusCode, body, headers } = await attempt(app, { email, from: email })
      const fields = ['retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset']
      seen.push({ statusCode, body, fields: fields.map((field) => headers[field]) })
    }
    return seen
  }
  const known = await answers(ada.email)
  t.match(known.at(0), { statusCode: 401 })
  t.match(known.at(-1), { statusCode: 429 })
  t.same(await answers('eve@example.org'), known)
})

t.test('the spelling of an identifier makes no new budget', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app, { ...ada, username: 'ada' })
  freeze(t)
  await burn(app, 6)
  t.same(await burn(app, 1, { email: 'ADA@Example.org' }), [429])
  const byName = { username: 'ada', password: wrong }
  const answer = await app.inject({ method: 'POST', url: '/api/login', payload: byName })
  t.equal(answer.statusCode, 429)
  await burn(app, 6, { email: 'eve@example.org' })
  t.same(await burn(app, 1, { email: 'EVE@Example.org' }), [429])
})

t.test('of many guesses at once, over two instances, no more get through', async (t) => {
  const { app, url } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app)
  freeze(t)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, nth) =>
      attempt(nth % 2 === 0 ? app : other, { from: `198.51.100.${nth}` }),
    ),
  )
  const count = (status: number) => answers.filter(({ statusCode }) => statusCode === status).length
  t.ok([5, 6].includes(count(401)), `${count(401)} were looked at`)
  t.equal(count(401) + count(429), answers.length)
})

t.test('a right login makes the budget whole again', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  freeze(t)
  const fresh = await burn(app, 8)
  t.same(fresh, [401, 401, 401, 401, 401, 401, 429, 429])
  await signUp(app, bob)
  const { email } = bob
  await burn(app, 4, { email })
  t.equal((await attempt(app, bob)).statusCode, 200)
  t.same(await burn(app, 8, { email }), fresh)
})

t.test('a mark that is forged, or of another user, opens no budget', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  await signUp(app, bob)
  const device = await deviceOf(app)
  const foreign = await deviceOf(app, bob)
  freeze(t)
  await burn(app, 6)
  const [id = '', signature = ''] = device.split('.')
  const [foreignId = '', foreignSignature = ''] = foreign.split('.')
  const other = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
  const marks = {
    foreign,
    'another signature': `${id}.${other(signature)}`,
    'another id': `${other(id)}.${signature}`,
    'the foreign id': `${foreignId}.${signature}`,
    'the foreign signature': `${id}.${foreignSignature}`,
    'no signature': id,
    'an empty signature': `${id}.`,
    'a longer one': `${device}A`,
    'other bits at the end': device.slice(0, -1) + (device.endsWith('A') ? 'B' : 'A'),
    nothing: '',
  }
  for (const [name, mark] of Object.entries(marks)) {
    t.equal((await attempt(app, { ...ada, device: mark })).statusCode, 429, name)
  }
  t.equal((await attempt(app, { ...ada, device })).statusCode, 200, 'the genuine one does')
})

t.test('a device has a budget of its own, which ends too', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  const device = await deviceOf(app)
  const second = await deviceOf(app)
  freeze(t)
  t.same(await burn(app, 8, { device }), [401, 401, 401, 401, 401, 401, 429, 429])
  t.equal((await attempt(app, { ...ada, device })).statusCode, 429)
  t.equal((await attempt(app, { ...ada, device: second })).statusCode, 200, 'another is whole')
  t.equal((await attempt(app, ada)).statusCode, 200, 'and so is what needs none')
})

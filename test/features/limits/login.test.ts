import { createHash, randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { ada, bearer, signUp, testApp, type TestApp } from '../../support/app.js'

const env = { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '10000/15m' }
const wrong = 'wrong horse battery'
const bob = { email: 'bob@example.org', password: 'another horse battery' }

const day = 86_400_000

type Attempt = { email?: string; password?: string; device?: string | undefined; from?: string }

/** A login through a trusted proxy, which sends the address of the client. */
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

/** Logs in and returns the device mark. */
async function deviceOf(app: TestApp['app'], account = ada): Promise<string> {
  const { cookies } = await attempt(app, account)
  return cookies.find(({ name }) => name === 'device')?.value ?? ''
}

/** The token of a link to reset the password, as a message would bring it. */
async function linkFor(sql: TestApp['sql'], userId: string): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  await sql(
    `insert into one_time_codes (id, user_id, purpose, kind, address, address_canonical, link_hash,
       code_hash, code_expires_at, link_expires_at)
     values ($1, $2, 'password_reset', 'email', $3, $3, $4, '', now(), now() + interval '1 hour')`,
    [randomUUID(), userId, ada.email, createHash('sha256').update(token).digest()],
  )
  return token
}

/** Sends wrong guesses, each from another address. @returns their statuses */
async function burn(app: TestApp['app'], count: number, options: Attempt = {}): Promise<number[]> {
  const statuses: number[] = []
  for (let nth = 0; nth < count; nth += 1) {
    const answer = await attempt(app, { from: `198.51.100.${nth}`, ...options })
    statuses.push(answer.statusCode)
  }
  return statuses
}

/** Stops the clock, so that no delay ends on a slow machine. */
function freeze(t: Test): void {
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
}

/** Sets the number of wrong guesses in a row; a hundred block the account. */
const failed = (sql: TestApp['sql'], count: number) =>
  sql(`update rate_limits set points = $1 where key like 'account:%'`, [count])

t.test('a hundred wrong guesses from as many networks do not lock the owner out', async (t) => {
  const { app, sql } = await testApp(t, { env })
  await signUp(app)
  const home = '203.0.113.9'
  t.equal((await attempt(app, { ...ada, from: home })).statusCode, 200)
  const device = await deviceOf(app)
  t.same(new Set(await burn(app, 100)), new Set([401]), 'no network is delayed by another')

  const elsewhere = await attempt(app, { ...ada, from: '203.0.113.1' })
  t.equal(elsewhere.statusCode, 401, 'after a hundred guesses an unknown network is blocked')
  const events = await sql(`select from audit_log where detail @> '{"blocked": true}'`)
  t.equal(events.length, 1)
  const known = await attempt(app, { ...ada, from: home })
  t.equal(known.statusCode, 200, 'the owner can log in from the network of an earlier login')
  t.equal(
    (await attempt(app, { ...ada, from: '203.0.113.1' })).statusCode,
    200,
    'the login ends the block',
  )

  await attempt(app, {})
  await failed(sql, 100)
  const marked = await attempt(app, { ...ada, device, from: '203.0.113.2' })
  t.equal(marked.statusCode, 200, 'the owner can log in from the device of an earlier login')
})

t.test('of concurrent guesses, at most a hundred in a row are checked', async (t) => {
  const { app, url, sql } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app)
  await attempt(app, {})
  await failed(sql, 90)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, nth) =>
      attempt(nth % 2 === 0 ? app : other, { from: `198.51.100.${nth}` }),
    ),
  )
  const count = (status: number) => answers.filter(({ statusCode }) => statusCode === status).length
  const unjudged = count(503) // by a busy database
  t.equal(count(401) + unjudged, answers.length)
  const events = await sql<{ blocked: boolean }>(
    `select detail ? 'blocked' as blocked from audit_log where event = 'login.failed'`,
  )
  const blocked = events.filter(({ blocked }) => blocked).length
  const checked = events.length - blocked
  t.ok(checked <= 1 + 10 && checked + unjudged >= 1 + 10, `${checked} were checked`)
  t.ok(blocked <= 40 && blocked + unjudged >= 40, `${blocked} were blocked`)
})

t.test('a password reset or change ends the block of the account', async (t) => {
  const { app, sql } = await testApp(t, { env })
  const { access_token, user } = await signUp(app)
  const first = await deviceOf(app)
  await attempt(app, {})
  await failed(sql, 100)
  const password = 'another horse battery'
  const changed = await app.inject({
    method: 'POST',
    url: '/api/user/password',
    headers: bearer(access_token),
    payload: { old_password: ada.password, new_password: password },
  })
  t.equal(changed.statusCode, 200)
  const device = changed.cookies.find(({ name }) => name === 'device')?.value
  t.equal((await attempt(app, { password, from: '203.0.113.1' })).statusCode, 200)
  await attempt(app, {})
  await failed(sql, 100)
  const marked = (mark = first) => attempt(app, { password, device: mark, from: '203.0.113.2' })
  t.equal((await marked()).statusCode, 401, 'a mark from before the change is invalid')
  t.equal((await marked(device)).statusCode, 200)

  await attempt(app, {})
  await failed(sql, 100)
  const token = await linkFor(sql, user.id)
  const reset = await app.inject({
    method: 'POST',
    url: '/api/password/reset',
    headers: { 'x-forwarded-for': '203.0.113.3' },
    payload: { token, new_password: ada.password },
  })
  t.equal(reset.statusCode, 200)
  await attempt(app, {})
  await failed(sql, 100)
  const mark = reset.cookies.find(({ name }) => name === 'device')?.value
  t.equal((await attempt(app, { ...ada, from: '203.0.113.4' })).statusCode, 401)
  t.equal((await attempt(app, { ...ada, device, from: '203.0.113.4' })).statusCode, 401)
  t.equal((await attempt(app, { ...ada, from: '203.0.113.3' })).statusCode, 200)
  await attempt(app, {})
  await failed(sql, 100)
  t.equal((await attempt(app, { ...ada, device: mark, from: '203.0.113.4' })).statusCode, 200)
})

t.test('a mark of a device or network lasts for months, until the password changes', async (t) => {
  const clock = { now: Date.now() }
  const { app, sql } = await testApp(t, { env, now: () => new Date(clock.now) })
  t.intercept(Date, 'now', { value: () => clock.now })
  const { access_token } = await signUp(app)
  const home = '203.0.113.9'
  let networks = 0
  const enter = async (options: Attempt) => {
    const from = `198.51.100.${(networks += 1)}`
    await attempt(app, { from })
    await failed(sql, 100)
    return (await attempt(app, { ...ada, from, ...options })).statusCode
  }
  const device = await deviceOf(app)
  await attempt(app, { ...ada, from: home })
  clock.now += 89 * day
  t.equal(await enter({ device }), 200)
  t.equal(await enter({ from: home }), 200)
  clock.now += 90 * day
  t.equal(await enter({ device }), 200)
  clock.now += day
  t.equal(await enter({ device }), 401, 'a device mark lasts 180 days')
  t.equal(await enter({ from: home }), 401, 'a network mark lasts 90 days after the last login')

  clock.now = Date.now()
  await failed(sql, 0)
  const fresh = await deviceOf(app)
  await attempt(app, { ...ada, from: home })
  await sql(`update users set password_version = password_version + 1`)
  t.equal(await enter({ device: fresh }), 401)
  t.equal(await enter({ from: home }), 401)
  t.ok(access_token)
})

t.test('unknown and known identifiers have the same limits', async (t) => {
  const { app, url, sql } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app)
  freeze(t)
  const answers = async (email: string, on = app) => {
    const seen: object[] = []
    for (let nth = 0; nth < 10; nth += 1) {
      const { statusCode, body, headers } = await attempt(on, { email, from: email })
      const fields = ['retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset']
      seen.push({ statusCode, body, fields: fields.map((field) => headers[field]) })
    }
    return seen
  }
  const known = await answers(ada.email)
  t.match(known.at(0), { statusCode: 401 })
  t.match(known.at(-1), { statusCode: 429 })
  t.same(await answers('eve@example.org'), known)
  await failed(sql, 100)
  await sql(`delete from rate_limits where key not like 'account:%'`)
  t.same(await answers(ada.email, other), known, 'a blocked account gets the same answers')
})

t.test('limits do not reveal which identifiers belong to one account', async (t) => {
  const { app, url, sql } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app, { ...ada, username: 'ada', mobile: '+442079460000' })
  freeze(t)
  const guess = async (identifier: object, on = app) => {
    const payload = { ...identifier, password: wrong }
    return (await on.inject({ method: 'POST', url: '/api/login', payload })).statusCode
  }
  for (const identifier of [
    { email: ada.email },
    { username: 'ada' },
    { mobile: '+442079460000' },
    { username: 'nobody' },
  ]) {
    const statuses: number[] = []
    for (let nth = 0; nth < 8; nth += 1) statuses.push(await guess(identifier))
    t.same(statuses, [401, 401, 401, 401, 401, 401, 429, 429], JSON.stringify(identifier))
  }
  await failed(sql, 100)
  await sql(`delete from rate_limits where key not like 'account:%'`)
  t.equal(await guess({ email: ada.email }, other), 401)
  t.equal(await guess({ username: 'ada' }, other), 401)
})

t.test('all spellings of an identifier share one budget', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  freeze(t)
  const from = '198.51.100.1'
  for (const email of [ada.email, 'eve@example.org']) {
    await burn(app, 6, { email, from })
    t.same(await burn(app, 1, { email: email.toUpperCase(), from }), [429])
  }
})

t.test('concurrent guesses at two instances share one budget', async (t) => {
  const { app, url } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  await signUp(app)
  freeze(t)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, nth) => attempt(nth % 2 === 0 ? app : other, {})),
  )
  const count = (status: number) => answers.filter(({ statusCode }) => statusCode === status).length
  t.ok([5, 6].includes(count(401)), `${count(401)} were checked`)
  // A busy database may answer 503 to some.
  t.equal(count(401) + count(429) + count(503), answers.length)
})

t.test('a successful login restores the budget', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  freeze(t)
  const from = '192.0.2.1'
  const fresh = await burn(app, 8, { from })
  t.same(fresh, [401, 401, 401, 401, 401, 401, 429, 429])
  await signUp(app, bob)
  const { email } = bob
  await burn(app, 4, { email, from })
  t.equal((await attempt(app, { ...bob, from })).statusCode, 200)
  t.same(await burn(app, 8, { email, from }), fresh)
})

t.test('a forged device mark, or that of another user, gives no budget', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  await signUp(app, bob)
  const device = await deviceOf(app)
  const foreign = await deviceOf(app, bob)
  freeze(t)
  await burn(app, 6, { from: '192.0.2.1' })
  const [id = '', date = '', signature = ''] = device.split('.')
  const [foreignId = '', , foreignSignature = ''] = foreign.split('.')
  const other = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
  const marks = {
    foreign,
    'another signature': `${id}.${date}.${other(signature)}`,
    'another id': `${other(id)}.${date}.${signature}`,
    'another date': `${id}.${date}0.${signature}`,
    'the id of another user': `${foreignId}.${date}.${signature}`,
    'the signature of another user': `${id}.${date}.${foreignSignature}`,
    'no signature': `${id}.${date}`,
    'no date': `${id}.${signature}`,
    'an empty signature': `${id}.${date}.`,
    'a longer signature': `${device}A`,
    'other bits at the end': device.slice(0, -1) + (device.endsWith('A') ? 'B' : 'A'),
    nothing: '',
  }
  for (const [name, mark] of Object.entries(marks)) {
    t.equal((await attempt(app, { ...ada, device: mark })).statusCode, 429, name)
  }
  t.equal((await attempt(app, { ...ada, device })).statusCode, 200, 'the valid mark gives a budget')
})

t.test('a device has its own, limited budget', async (t) => {
  const { app } = await testApp(t, { env })
  await signUp(app)
  const device = await deviceOf(app)
  const second = await deviceOf(app)
  freeze(t)
  t.same(await burn(app, 8, { device }), [401, 401, 401, 401, 401, 401, 429, 429])
  t.equal((await attempt(app, { ...ada, device })).statusCode, 429)
  t.equal(
    (await attempt(app, { ...ada, device: second })).statusCode,
    200,
    'another device has its own budget',
  )
  t.equal((await attempt(app, ada)).statusCode, 200, 'a login without a mark has its own budget')
})

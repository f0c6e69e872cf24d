import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { createClient, GatehouseError } from '@gatehouse/client'
import { ada, bearer, isRefused, listeningApp, logIn, signUp } from '../support/app.js'
import { enrolled } from '../support/factors.js'
import { picture } from '../support/pictures.js'
import { until } from '../support/until.js'

const email = ada.email

/** The service, and a client of it that counts its requests and whose clock can be moved. */
async function service(t: Test) {
  const test = await listeningApp(t)
  const sent: string[] = []
  const clock = { passed: 0 }
  const fetch = (url: string, init: RequestInit) => {
    sent.push(`${init.method ?? 'GET'} ${new URL(url).pathname}`)
    return globalThis.fetch(url, init)
  }
  const now = () => Date.now() + clock.passed
  const client = createClient({ url: test.origin, fetch, now })
  const count = (request: string) => sent.filter((each) => each === request).length
  return { ...test, client, sent, count, clock }
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof GatehouseError ? error.code : String(error)),
  )

t.test('a client registers, logs in, lists its sessions and logs out', async (t) => {
  const { app, client } = await service(t)
  const events: string[] = []
  client.subscribe((event) => events.push(event))
  t.match(await client.register(ada), { email })
  t.equal(await client.user(), undefined, 'a registration does not log in')
  t.match(await client.login(ada), { email })
  t.match(await client.user(), { email })
  t.match(await client.updateUser({ name: 'Ada' }), { user: { name: 'Ada' } })
  t.match(await client.sessions(), [{ current: true }])
  const token = await client.accessToken()
  await client.logout()
  t.equal(await client.user(), undefined)
  t.ok(await isRefused(app, token), 'the service ended the session')
  t.strictSame(events, ['login', 'logout'])
})

t.test('a client completes a login by the second factor', async (t) => {
  const test = await service(t)
  const { client } = test
  const user = await enrolled(test, ada)
  const refused: unknown = await client.login(ada).catch((error: unknown) => error)
  if (!(refused instanceof GatehouseError)) throw new Error('the password alone logs in')
  t.equal(refused.code, 'second_factor_required')
  t.strictSame(refused.methods, ['totp', 'recovery_code'])
  t.equal(await client.user(), undefined)
  const { challenge = '' } = refused
  t.equal(await codeOf(client.verifyLogin({ challenge, code: '000000' })), 'invalid_code')
  t.match(await client.verifyLogin({ challenge, code: await user.code() }), { email })
  t.match(await client.user(), { email })
})

t.test('ten callers with an expired token send one refresh', async (t) => {
  const { client, count, clock } = await service(t)
  await client.register(ada)
  await client.login(ada)
  clock.passed = 16 * 60_000
  const users = await Promise.all(Array.from({ length: 10 }, () => client.user()))
  t.ok(users.every((user) => user?.email === email))
  t.equal(count('POST /api/refresh'), 1)
  t.equal(count('GET /api/user'), 10)
})

t.test('a stale or unknown access token is renewed, and the call is repeated once', async (t) => {
  const { app, client, count, sql } = await service(t)
  await client.register(ada)
  await client.login(ada)
  const token = await client.accessToken()
  await sql('update users set epoch = epoch + 1')
  await until(() => isRefused(app, token), 'the access token to end')
  t.match(await client.user(), { email })
  t.equal(count('POST /api/refresh'), 1)
})

t.test('a session that was ended elsewhere is told once, and then sends nothing', async (t) => {
  const { app, client, sent } = await service(t)
  await client.register(ada)
  await client.login(ada)
  const events: string[] = []
  client.subscribe((event) => events.push(event))
  const { access_token } = await logIn(app)
  await app.inject({
    method: 'DELETE',
    url: '/api/sessions?keep=current',
    headers: bearer(access_token),
  })
  t.equal(await client.user(), undefined)
  t.strictSame(events, ['ended'])
  sent.length = 0
  t.equal(await codeOf(client.sessions()), 'invalid_token')
  t.strictSame(sent, [])
})

t.test('an error has the code, the status and the faulty fields', async (t) => {
  const { client } = await service(t)
  await client.register(ada)
  const wrong = client.login({ email, password: 'wrong horse battery' })
  t.match(await wrong.catch((error: unknown) => error), {
    ...{ name: 'GatehouseError', code: 'invalid_credentials', status: 401 },
    requestId: String,
  })
  const weak = client.register({ email: 'bob@example.org', password: 'x' })
  t.match(await weak.catch((error: unknown) => error), {
    ...{ code: 'weak_password', status: 400, errors: [{ field: 'password' }] },
  })
  const nowhere = createClient({ url: 'http://127.0.0.1:1' })
  t.equal(await codeOf(nowhere.login(ada)), 'network')
})

t.test('a service that does not answer is a timeout', async (t) => {
  const fetch = (_url: string, { signal }: RequestInit) =>
    new Promise<Response>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('aborted')))
    })
  t.equal(await codeOf(createClient({ fetch, timeout: 20 }).login(ada)), 'timeout')
})

t.test('tokens are handed over for storing, and a later client goes on with them', async (t) => {
  const kept: unknown[] = []
  const { app, origin, clock } = await service(t)
  const tokens = await signUp(app)
  const now = () => Date.now() + clock.passed
  clock.passed = 16 * 60_000
  const stored = { ...tokens, expires_at: Date.now() }
  const client = createClient({ url: origin, tokens: stored, now, onTokens: (to) => kept.push(to) })
  t.match(await client.user(), { email })
  t.match(kept, [{ access_token: String, refresh_token: String, expires_at: Number }])
})

t.test('a logout during a refresh stays a logout', async (t) => {
  let release = () => undefined as unknown
  const held = new Promise<void>((resolve) => (release = resolve))
  const tokens = { access_token: 'a', refresh_token: 'r', expires_at: 0 }
  const slow = createClient({
    tokens,
    refresh: () => held.then(() => ({ ...tokens, expires_at: Infinity })),
    fetch: () => Promise.resolve(Response.json({ status: 'success' })),
  })
  const user = slow.user()
  // The logout of another caller: it waits for the same refresh, and then ends the session.
  const out = slow.logout()
  release()
  await Promise.all([user, out])
  t.equal(await codeOf(slow.accessToken()), 'invalid_token')
})

t.test('a picture and a README are uploaded', async (t) => {
  const { client } = await service(t)
  await client.register(ada)
  await client.login(ada)
  const user = await client.uploadPicture(new Blob([Uint8Array.from(await picture('png'))]))
  t.match(user.picture_url, /picture/)
  const readme = await client.uploadReadme(new Blob(['---\ntitle: Ada\n---\n# Ada\n']))
  t.match(readme, { front_matter: { title: 'Ada' }, markdown: '# Ada\n' })
  t.equal(await codeOf(client.uploadPicture(new Blob(['no picture']))), 'invalid_picture')
})

t.test('another API is called with the token, and once more after a 401', async (t) => {
  const { app, origin, client, sql } = await service(t)
  await client.register(ada)
  await client.login(ada)
  const token = await client.accessToken()
  await sql('update users set epoch = epoch + 1')
  await until(() => isRefused(app, token), 'the access token to end')
  t.equal((await client.fetch(`${origin}/api/user`)).status, 200)
})

/** A service that answers what it is told, in order. */
function scripted(answers: [status: number, retryAfter?: string][]) {
  const pauses: number[] = []
  const sent: string[] = []
  const client = createClient({
    tokens: { access_token: 'a', refresh_token: 'r', expires_at: Infinity },
    fetch: (url) => {
      sent.push(url)
      const [status = 200, retryAfter] = answers.shift() ?? []
      const headers = { ...(retryAfter !== undefined && { 'retry-after': retryAfter }) }
      const body = status === 200 ? { status: 'success', user: { email }, sessions: [] } : {}
      return Promise.resolve(Response.json(body, { status, headers }))
    },
    pause: (time) => {
      pauses.push(time)
      return Promise.resolve()
    },
  })
  return { client, pauses, sent }
}

t.test('a busy service is asked again when it says so', async (t) => {
  const { client, pauses } = scripted([
    [503, '2'],
    [429, '1'],
  ])
  t.match(await client.user(), { email })
  t.ok(pauses[0] !== undefined && pauses[0] >= 2_000 && pauses[0] <= 2_500)
  t.ok(pauses[1] !== undefined && pauses[1] >= 1_000 && pauses[1] <= 1_250)
})

t.test('a wait that is too long is left to the caller', async (t) => {
  const { client, pauses, sent } = scripted([[429, '60']])
  const error: unknown = await client.sessions().catch((error: unknown) => error)
  t.match(error, { code: 'rate_limited', retryAfter: 60 })
  t.strictSame([pauses, sent.length], [[], 1])
})

t.test('a service that stays busy is asked three times', async (t) => {
  const { client, sent } = scripted([[503], [503], [503], [503]])
  t.equal(await codeOf(client.sessions()), 'unavailable')
  t.equal(sent.length, 3)
})

t.test('a registration is never sent twice', async (t) => {
  const { client, sent } = scripted([[503, '1']])
  t.equal(await codeOf(client.register(ada)), 'unavailable')
  t.equal(sent.length, 1)
})

t.test('the part for browsers has at most 4 kB', async (t) => {
  const { outputFiles } = await build({
    entryPoints: ['packages/client/src/index.ts'],
    ...{ bundle: true, minify: true, format: 'esm', target: 'es2022', write: false },
  })
  const size = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  t.ok(size > 1_000 && size <= 4_096, `${String(size)} bytes`)
})

import t from 'tap'
import { ada, bearer, isRefused, signUp, testApp } from '../../support/app.js'
import { codeOf } from '../../support/factors.js'
import { abroad, home, noticingApp } from '../../support/login-notices.js'
import { hurry } from '../../support/smtp-sink.js'

type Noticing = Awaited<ReturnType<typeof noticingApp>>

const hash = 'select password_hash from users where email = $1'
const better = 'a better horse battery'

/** A login of a stranger, and the token of the link about it. */
async function strange(t: Parameters<typeof noticingApp>[0]) {
  const service = await noticingApp(t)
  const stranger = await service.logIn(abroad)
  return { ...service, stranger, token: await service.nextToken() }
}

const tries = ({ app }: Pick<Noticing, 'app'>, password: string) =>
  app.inject({ method: 'POST', url: '/api/login', payload: { ...ada, password } })

t.test('opening the link, as a scanner of mail does, changes nothing', async (t) => {
  const { app, open, sql, stranger, token } = await strange(t)
  const state = () =>
    sql('select password_version, (select count(*) from sessions) as sessions from users')
  const before = await state()
  for (const method of ['GET', 'GET', 'HEAD'] as const) {
    const { statusCode, body, headers } = await open(token, method)
    t.equal(statusCode, 200)
    t.match(headers['content-security-policy'], /default-src 'none'/)
    t.equal(headers['cache-control'], 'no-store')
    if (method === 'GET') {
      t.match(body, /Chrome on Windows, from 203\.0\.113\.7/)
      t.match(body, /<button>This was not me<\/button>/)
      t.match(body, `name="token" value="${token}"`)
    }
  }
  t.same(await state(), before)
  t.notOk(await isRefused(app, stranger.access_token))
  const foreign = await app.inject({
    method: 'POST',
    url: '/not-me',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: 'https://evil.example',
    },
    payload: `token=${token}`,
  })
  t.equal(foreign.statusCode, 403, 'a page of another site cannot press')
  t.same(await state(), before)
})

t.test('the button ends every login and asks for another password', async (t) => {
  const service = await strange(t)
  const { app, lines, logIn, notices, open, press, sink, sql, stranger, token } = service
  const { status } = await answerOf(app, stranger, '/api/user/api-keys', { name: 'script' })
  t.equal(status, 201)
  const pressed = await press(token)
  t.equal(pressed.statusCode, 200)
  t.match(pressed.body, /We sent you a message: choose another password with it/)
  t.notMatch(pressed.body, '<button>This was not me')

  t.ok(await isRefused(app, stranger.access_token))
  t.ok(await isRefused(app, service.first.access_token))
  const { refresh_token } = stranger
  const refreshed = await app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token },
  })
  t.equal(refreshed.statusCode, 401)
  t.same(await sql('select from api_keys'), [])
  t.same(await sql(hash, [ada.email]), [{ password_hash: null }])
  t.equal((await tries(service, ada.password)).statusCode, 401)
  const [entry] = await sql<{ detail: object }>(
    `select user_id, detail from audit_log where event = 'login.disowned'`,
  )
  t.match(entry, { user_id: stranger.user.id, detail: { session: /^[\w-]{36}$/ } })

  for (const again of [await press(token), await open(token)]) {
    t.equal(again.statusCode, 200)
    t.match(again.body, /This was done already/)
    t.match(again.body, 'action="/forgot"')
  }
  t.equal((await sql(`select from audit_log where event = 'login.disowned'`)).length, 1)

  await service.untilSent()
  const reset = sink.mails.find(({ subject }) => subject.startsWith('Choose a password'))
  t.ok(reset)
  const payload = { token: reset?.token, new_password: better }
  const done = await app.inject({ method: 'POST', url: '/api/password/reset', payload })
  t.equal(done.statusCode, 200)
  await notices()
  const account = { ...ada, password: better }
  await logIn({ ...abroad, cookie: stranger.cookie }, account)
  t.equal(await notices(), 1, 'the device of the stranger is forgotten')
  t.notMatch(lines.join(''), token, 'no log has the secret')
})

t.test('the second factor stays, and trusted devices do not', async (t) => {
  const { app, first, logIn, nextToken, press, sql } = await noticingApp(t)
  const { body } = await answerOf(app, first, '/api/user/factors/totp')
  const code = codeOf(String(body.key))
  await answerOf(app, first, '/api/user/factors/totp/confirm', { code })
  await sql('update totp_factors set last_step = 0')
  const pending = await logIn(abroad).catch((error: unknown) =>
    JSON.parse((error as Error).message),
  )
  const verified = await app.inject({
    method: 'POST',
    url: '/api/login/verify',
    headers: { 'user-agent': abroad.agent, 'x-forwarded-for': abroad.from },
    payload: { challenge: pending.challenge, code: codeOf(String(body.key)), trust: true },
  })
  t.equal(verified.statusCode, 200)
  t.equal((await sql('select from trusted_devices')).length, 1)
  t.equal((await press(await nextToken())).statusCode, 200)
  t.same(await sql('select from trusted_devices'), [])
  t.equal((await sql('select from totp_factors where secret is not null')).length, 1)
  t.ok(await isRefused(app, verified.json().access_token))
})

t.test('the link works after a change of the password, and after a logout', async (t) => {
  const service = await strange(t)
  const { app, press, sql, stranger, token } = service
  const payload = { old_password: ada.password, new_password: better }
  t.equal((await answerOf(app, stranger, '/api/user/password', payload)).status, 200)
  t.equal((await answerOf(app, stranger, '/api/logout')).status, 200)
  t.equal((await press(token)).statusCode, 200)
  t.same(await sql(hash, [ada.email]), [{ password_hash: null }])
  t.equal((await tries(service, better)).statusCode, 401, 'the thief chose that password')
})

t.test('a link that is unknown or has expired does nothing', async (t) => {
  const { open, press, sql, token } = await strange(t)
  await sql(`update login_notices set expires_at = now() - interval '1 second'`)
  for (const bad of [token, '', 'A'.repeat(43), token.slice(0, -1), `${token}'`]) {
    t.match((await open(bad)).body, /This link is unknown or has expired/)
    t.equal((await press(bad)).statusCode, 400)
  }
  t.equal((await press('A'.repeat(201))).statusCode, 400)
  const [row] = await sql<{ password_hash: string | null }>(hash, [ada.email])
  t.ok(row?.password_hash)
})

t.test('a link acts on its own user only', async (t) => {
  const { app, press, sql, token } = await strange(t)
  const bob = { email: 'bob@example.org', password: ada.password }
  const other = await signUp(app, bob)
  t.equal((await press(token)).statusCode, 200)
  t.notOk(await isRefused(app, other.access_token))
  t.not((await sql<{ password_hash: string }>(hash, [bob.email]))[0]?.password_hash, null)
})

t.test('the link of a disabled user works, that of a deleted one is unknown', async (t) => {
  const { press, open, sql, token } = await strange(t)
  await sql('update users set disabled_at = now()')
  t.equal((await press(token)).statusCode, 200)
  t.same(await sql('select disabled_at is null as enabled, password_hash from users'), [
    { enabled: false, password_hash: null },
  ])
  const other = await strange(t)
  await other.sql('delete from users')
  t.equal((await other.press(other.token)).statusCode, 400)
  t.match((await other.open(other.token)).body, /This link is unknown or has expired/)
  t.match((await open(token)).body, /This was done already/)
})

t.test('a user without a password gets no message to choose one', async (t) => {
  const { logIn, nextToken, press, sink, sql, untilSent } = await noticingApp(t)
  await logIn(abroad)
  const token = await nextToken()
  await sql('update users set password_hash = null')
  t.match((await press(token)).body, /Secure the login that you use instead/)
  await untilSent()
  t.notOk(sink.mails.some(({ subject }) => subject.startsWith('Choose')))
})

t.test('fifty presses at once over two instances act once', async (t) => {
  const service = await strange(t)
  const { app, press, sql, stranger, token, url } = service
  const { app: second } = await testApp(t, { url })
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => press(token, at % 2 ? app : second)),
  )
  t.same([...new Set(answers.map(({ statusCode }) => statusCode))], [200])
  const acted = answers.filter(({ body }) => /We sent you a message/.test(body))
  t.equal(acted.length, 1)
  t.equal(answers.filter(({ body }) => /This was done already/.test(body)).length, 49)
  t.equal((await sql(`select from audit_log where event = 'login.disowned'`)).length, 1)
  t.same(await sql('select password_version from users'), [{ password_version: 1 }])
  for (const each of [app, second]) t.ok(await isRefused(each, stranger.access_token))
})

t.test('a message that may have arrived is not sent again after its link was used', async (t) => {
  const { logIn, notices, open, press, sink, sql } = await noticingApp(t)
  await sink.become('never confirms')
  await logIn(abroad)
  const { token } = await sink.next(ada.email)
  t.equal((await press(token)).statusCode, 200)
  await sink.become('accepts')
  await hurry(sql)
  t.equal(await notices(), 1, 'no second notice')
  t.match((await open(token)).body, /This was done already/)
})

async function answerOf(
  app: Noticing['app'],
  { access_token }: { access_token: string },
  url: string,
  payload: object = {},
) {
  const headers = {
    ...bearer(access_token),
    'user-agent': home.agent,
    'x-forwarded-for': home.from,
  }
  const answer = await app.inject({ method: 'POST', url, headers, payload })
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() }
}

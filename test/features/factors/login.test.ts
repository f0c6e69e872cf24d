import { spawnSync } from 'node:child_process'
import t from 'tap'
import { stepOf } from '../../../src/features/factors/totp.js'
import { ada, bearer, isRefused, testApp } from '../../support/app.js'
import { claimsOf } from '../../support/oauth.js'
import { codeOf, enrolled, poster } from '../../support/factors.js'

const key = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ' // 12345678901234567890

t.test('codes are those of RFC 6238, Appendix B', (t) => {
  for (const [seconds, code] of [
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ] as const) {
    const step = Math.floor(seconds / 30)
    const six = code.slice(2)
    t.equal(codeOf(key, seconds * 1_000), six)
    for (const [late, expected] of [
      [-30, step],
      [0, step],
      [30, step],
      [-60, undefined],
      [60, undefined],
    ] as const)
      t.equal(stepOf(key, six, (seconds + late) * 1_000), expected, `${code}, ${late} s late`)
  }
  for (const wrong of ['', '28708', '0287082', '28708a', '２87082', ' 287082'])
    t.equal(stepOf(key, wrong, 59_000), undefined, wrong)
  t.end()
})

t.test('codes are those of oathtool', (t) => {
  const at = '2026-11-26 12:00:00 UTC'
  const ran = spawnSync('oathtool', ['--totp', '--base32', `--now=${at}`, key], {
    encoding: 'utf8',
  })
  if (ran.error) t.comment(`oathtool is not installed: ${ran.error.message}`)
  else t.ok(stepOf(key, ran.stdout.trim(), Date.parse(at)))
  t.end()
})

t.test(
  'a login with a factor is refused with a challenge, until a code completes it',
  async (t) => {
    const service = await testApp(t)
    const { app, sql } = service
    const post = poster(app)
    const user = await enrolled(service, ada)
    t.equal(user.recovery_codes.length, 10)
    const pending = await user.begin()
    t.equal(pending.status, 403)
    t.match(pending.body, {
      status: 'error',
      code: 'second_factor_required',
      methods: ['totp', 'recovery_code'],
    })
    t.match(pending.body.challenge, /^[A-Za-z0-9_-]{43}$/, '256 bits')
    t.notOk(pending.body.access_token)
    t.strictSame(pending.raw.cookies, [], 'a script gets no cookie')
    t.equal((await sql('select from sessions')).length, 1, 'no session is opened')
    const stored = JSON.stringify(
      await sql(`select encode(token_hash, 'escape') from login_challenges`),
    )
    t.notMatch(stored, pending.body.challenge)

    const plain = await post('/api/login', ada, { accept: 'text/plain' })
    t.match(
      [plain.status, plain.raw.body],
      [403, ''],
      'no body that a script could take for a token',
    )

    const { challenge } = pending.body
    const wrong = await post('/api/login/verify', { challenge, code: '000000' })
    t.match(wrong, { status: 400, body: { code: 'invalid_code' } })
    const done = await post('/api/login/verify', { challenge, code: await user.code() })
    t.equal(done.status, 200)
    t.same(claimsOf(String(done.body.access_token)).amr, ['pwd', 'otp', 'mfa'])
    t.match(await post('/api/login/verify', { challenge, code: await user.code() }), {
      body: { code: 'invalid_state' },
    })
    const refreshed = await post('/api/refresh', { refresh_token: done.body.refresh_token })
    t.same(claimsOf(String(refreshed.body.access_token)).amr, ['pwd', 'otp', 'mfa'])
  },
)

t.test('a challenge has five tries and five minutes', async (t) => {
  const service = await testApp(t)
  const post = poster(service.app)
  const user = await enrolled(service, ada)
  const { challenge } = (await user.begin()).body
  const tries = await Promise.all(
    Array.from({ length: 30 }, () => post('/api/login/verify', { challenge, code: '000000' })),
  )
  t.equal(tries.filter(({ body }) => body.code === 'invalid_code').length, 5)
  t.match(await post('/api/login/verify', { challenge, code: await user.code() }), {
    body: { code: 'invalid_state' },
  })
  const late = (await user.begin()).body.challenge
  await service.sql(`update login_challenges set expires_at = now() - interval '1 second'`)
  t.match(await post('/api/login/verify', { challenge: late, code: await user.code() }), {
    body: { code: 'invalid_state' },
  })
  for (const unknown of ['A'.repeat(43), 'x', 'é'])
    t.match(await post('/api/login/verify', { challenge: unknown, code: '000000' }), {
      body: { code: 'invalid_state' },
    })
})

t.test('a challenge of a browser needs the cookie of that browser', async (t) => {
  const service = await testApp(t)
  const post = poster(service.app)
  const user = await enrolled(service, ada)
  const headers = { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' }
  const pending = await post('/api/login', ada, headers)
  const cookie = pending.raw.cookies.find(({ name }) => name === 'challenge')
  t.match(cookie, { httpOnly: true, sameSite: 'Lax', maxAge: 300 })
  const { challenge } = pending.body
  const code = await user.code()
  t.match(await post('/api/login/verify', { challenge, code }, headers), {
    body: { code: 'invalid_state' },
  })
  t.match(await post('/api/login/verify', { challenge, code }), { body: { code: 'invalid_state' } })
  const withCookie = { ...headers, cookie: `challenge=${String(cookie?.value)}` }
  t.equal((await post('/api/login/verify', { challenge, code }, withCookie)).status, 200)
})

t.test('wrong codes are limited to 20 an hour an account, from any network', async (t) => {
  const service = await testApp(t, {
    env: { RATE_LIMIT: 'on', TRUST_PROXY: 'loopback', RATE_LIMIT_LOGIN: '1000/15m' },
  })
  const post = poster(service.app)
  const user = await enrolled(service, ada)
  const statuses: number[] = []
  for (let at = 0; at < 24; at += 1) {
    const from = { 'x-forwarded-for': `198.51.100.${at + 1}` }
    const { challenge } = (await post('/api/login', ada, from)).body
    statuses.push((await post('/api/login/verify', { challenge, code: '000000' }, from)).status)
  }
  // The confirmation of the factor was a right code, and counts nothing.
  t.same(statuses, [...Array.from({ length: 20 }, () => 400), 429, 429, 429, 429])
  const { challenge } = (await user.begin()).body
  t.equal((await post('/api/login/verify', { challenge, code: await user.code() })).status, 429)
  // Another instance, because the first one remembers its refusal for a second.
  const other = await testApp(t, { url: service.url, env: { RATE_LIMIT: 'on' } })
  await service.sql(`delete from rate_limits where key like 'factor:3600:%'`)
  const code = await user.code()
  t.equal((await poster(other.app)('/api/login/verify', { challenge, code })).status, 200)
})

t.test('200 parallel uses of one code over two instances give one login', async (t) => {
  const first = await testApp(t)
  const second = await testApp(t, { url: first.url })
  const user = await enrolled(first, ada)
  const begun = await Promise.all(Array.from({ length: 15 }, () => user.begin()))
  const challenges = begun.map(({ body }) => body.challenge)
  const code = await user.code()
  const uses = await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      poster((at % 2 === 0 ? first : second).app)('/api/login/verify', {
        challenge: challenges[at % challenges.length],
        code,
      }),
    ),
  )
  const statuses = uses.map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, 1)
  t.ok(statuses.every((status) => [200, 400, 503].includes(status)))
  t.equal((await first.sql('select from sessions')).length, 2)
})

t.test('each recovery code works once, and a used step or an older one never again', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const post = poster(app)
  const user = await enrolled(service, ada)
  const verify = async (code: string) =>
    post('/api/login/verify', { challenge: (await user.begin()).body.challenge, code })
  t.match(
    await verify(codeOf(user.key)),
    { body: { code: 'invalid_code' } },
    'the step that confirmed it',
  )
  const stored = JSON.stringify(await sql(`select encode(code_hash, 'hex') from recovery_codes`))
  for (const code of user.recovery_codes) t.notMatch(stored, code.replaceAll('-', ''))
  const [one = '', two = '', ...rest] = user.recovery_codes
  const challenges = await Promise.all(Array.from({ length: 10 }, () => user.begin()))
  const raced = await Promise.all(
    challenges.map(({ body: { challenge } }) =>
      post('/api/login/verify', { challenge, code: one }),
    ),
  )
  t.equal(raced.filter(({ status }) => status === 200).length, 1)
  const answer = await verify(two.toUpperCase().replaceAll('-', ' '))
  t.equal(answer.status, 200)
  t.same(claimsOf(String(answer.body.access_token)).amr, ['pwd', 'mfa'])
  t.match(await verify(two), { body: { code: 'invalid_code' } })
  t.equal((await sql('select from recovery_codes')).length, rest.length)
  t.match(await sql(`select message from outbox where message = 'recovery_code_used'`), [{}, {}])
})

t.test('a factor changes only within five minutes of a login with every factor', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const post = poster(app)
  const user = await enrolled(service, ada)
  const complete = async () => {
    const { challenge } = (await user.begin()).body
    return (await post('/api/login/verify', { challenge, code: await user.code(), trust: true }))
      .body
  }
  const remove = (token: string) =>
    app.inject({ method: 'DELETE', url: '/api/user/factors/totp', headers: bearer(token) })
  const full = await complete()
  await sql(`update sessions set created_at = now() - interval '6 minutes', auth_time = null`)
  for (const url of ['/api/user/factors/totp', '/api/user/factors/recovery-codes'])
    t.match(
      await post(url, undefined, bearer(full.access_token ?? '')),
      { body: { code: 'reauthentication_required' } },
      url,
    )
  t.match((await remove(full.access_token ?? '')).json<object>(), {
    code: 'reauthentication_required',
  })
  const again = await complete()
  const codes = await post(
    '/api/user/factors/recovery-codes',
    undefined,
    bearer(again.access_token ?? ''),
  )
  t.notSame(codes.body.recovery_codes, user.recovery_codes)
  t.equal((await remove(again.access_token ?? '')).statusCode, 200)
  t.equal((await post('/api/login', ada)).status, 200)
  t.match(
    (await sql('select event from audit_log order by id'))
      .map(({ event }) => event)
      .filter((event) => /^(factor|device)/.test(String(event))),
    ['factor.added', 'device.trusted', 'device.trusted', 'factor.codes_renewed', 'factor.removed'],
  )
  t.match(await sql(`select message from outbox where message like 'factor%' order by id`), [
    { message: 'factor_added' },
    { message: 'factor_removed' },
  ])
})

t.test('adding a factor ends the sessions that began without it', async (t) => {
  const other = await testApp(t)
  const first = await poster(other.app)('/api/register', ada)
  t.equal(first.status, 201)
  const [one, two] = [
    (await poster(other.app)('/api/login', ada)).body,
    (await poster(other.app)('/api/login', ada)).body,
  ]
  const begun = await poster(other.app)(
    '/api/user/factors/totp',
    undefined,
    bearer(two.access_token ?? ''),
  )
  t.match(String(begun.body.uri), /^otpauth:\/\/totp\/Gatehouse:ada%40example\.org\?/)
  t.match(String(begun.body.qr), /^<svg /)
  const wrong = await poster(other.app)(
    '/api/user/factors/totp/confirm',
    { code: '000000' },
    bearer(two.access_token ?? ''),
  )
  t.match(wrong.body, { code: 'invalid_code' })
  t.equal(
    (await poster(other.app)('/api/login', ada)).status,
    200,
    'what is not confirmed does not count',
  )
  await poster(other.app)(
    '/api/user/factors/totp/confirm',
    { code: codeOf(String(begun.body.key)) },
    bearer(two.access_token ?? ''),
  )
  t.ok(await isRefused(other.app, one.access_token ?? ''))
  t.notOk(await isRefused(other.app, two.access_token ?? ''))
})

t.test('the key is sealed in the database', async (t) => {
  const service = await testApp(t)
  const user = await enrolled(service, ada)
  const [row] = await service.sql<{ secret: Buffer }>('select secret from totp_factors')
  t.notOk(row?.secret.includes(user.key))
})

t.test('an administrator removes a factor, and every session ends', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const user = await enrolled(service, ada)
  const root = { email: 'root@example.org', password: ada.password }
  const post = poster(app)
  await post('/api/register', root)
  await sql(`insert into user_roles select id, 'admin' from users where email = $1`, [root.email])
  const admin = (await post('/api/login', root)).body
  const removal = {
    method: 'DELETE',
    url: `/api/users/${user.id}/factors`,
    headers: bearer(admin.access_token ?? ''),
  } as const
  t.equal((await app.inject(removal)).statusCode, 200)
  t.equal((await app.inject(removal)).statusCode, 404)
  t.ok(await isRefused(app, user.login.access_token))
  t.equal((await post('/api/login', ada)).status, 200)
  t.match(await sql(`select address from outbox where message = 'factor_removed'`), [
    { address: ada.email },
  ])
})

t.test('guesses at challenges count as failed logins of their network', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '3/15m' } })
  const body = { challenge: 'A'.repeat(43), code: '000000' }
  const statuses: number[] = []
  for (let at = 0; at < 5; at += 1)
    statuses.push((await poster(app)('/api/login/verify', body)).status)
  t.same(statuses, [400, 400, 400, 429, 429])
  t.equal((await poster(app)('/api/login/enrol', { challenge: body.challenge })).status, 429)
})

import t from 'tap'
import { ada, bearer, isRefused, listeningApp, logIn, signUp, testApp } from '../../support/app.js'
import { authenticator } from '../../support/authenticator.js'
import { enrolled, poster } from '../../support/factors.js'
import { claimsOf } from '../../support/oauth.js'
import { smtpSink } from '../../support/smtp-sink.js'
import { addPasskey, optionsOf, useOf, withPasskey } from '../../support/passkeys.js'

const amrOf = (body: { access_token?: string }) => claimsOf(String(body.access_token)).amr

t.test(
  'a passkey that verified its user logs in without a username, as both factors',
  async (t) => {
    const service = await testApp(t)
    for (const [kind, eligible, key] of [
      ['ES256', false, 'hwk'],
      ['EdDSA', true, 'swk'],
      ['RS256', false, 'hwk'],
    ] as const) {
      const account = { ...ada, email: `${kind}@example.org` }
      const { device } = await withPasskey(service, authenticator({ kind, eligible }), account)
      const done = await useOf(service, device)
      t.equal(done.status, 200, kind)
      t.equal(done.body.user?.email, account.email)
      t.same(amrOf(done.body), [key, 'user', 'mfa'])
      const refreshed = await poster(service.app)('/api/refresh', {
        refresh_token: done.body.refresh_token,
      })
      t.same(amrOf(refreshed.body), [key, 'user', 'mfa'])
    }
  },
)

t.test(
  'a passkey is named by its AAGUID, listed, renamed and removed; each is audited',
  async (t) => {
    const service = await testApp(t)
    const { app, sql } = service
    const login = await signUp(app)
    const headers = bearer(login.access_token)
    for (const setting of [
      { aaguid: 'bada5566-a7aa-401f-bd96-45619a55120d', eligible: true },
      { aaguid: 'bada5566-a7aa-401f-bd96-45619a55120d' },
      { transports: ['usb', 'nfc'], resident: false },
      {},
    ])
      t.equal((await addPasskey(service, login, authenticator(setting))).status, 201)
    const list = async () =>
      (await app.inject({ url: '/api/user/passkeys', headers })).json<{
        passkeys: { id: string; name: string }[]
      }>().passkeys
    const passkeys = await list()
    t.match(passkeys, [
      { name: '1Password', backed_up: true, discoverable: true, last_used_at: null },
      { name: '1Password 2', backed_up: false },
      { name: 'Security key', discoverable: false },
      { name: 'Passkey' },
    ])
    const url = `/api/user/passkeys/${passkeys[0]?.id ?? ''}`
    const renamed = await app.inject({ method: 'PATCH', url, headers, payload: { name: 'Laptop' } })
    t.match(renamed.json(), { passkey: { name: 'Laptop' } })
    t.equal((await app.inject({ method: 'DELETE', url, headers })).statusCode, 200)
    t.equal((await app.inject({ method: 'DELETE', url, headers })).statusCode, 404)
    t.strictSame(
      (await list()).map(({ name }) => name),
      ['1Password 2', 'Security key', 'Passkey'],
    )
    const other = await signUp(app, { ...ada, email: 'eve@example.org' })
    const eve = bearer(other.access_token)
    const foreign = `/api/user/passkeys/${passkeys[1]?.id ?? ''}`
    t.equal((await app.inject({ method: 'DELETE', url: foreign, headers: eve })).statusCode, 404)
    const rename = { method: 'PATCH', url: foreign, headers: eve, payload: { name: 'x' } } as const
    t.equal((await app.inject(rename)).statusCode, 404)
    const events = await sql<{ event: string }>(
      `select event from audit_log where event like 'passkey.%' order by id`,
    )
    t.strictSame(
      events.map(({ event }) => event),
      [...Array<string>(4).fill('passkey.added'), 'passkey.renamed', 'passkey.removed'],
    )
    const sent = await sql<{ message: string }>(
      `select message from outbox where message like 'passkey%' order by id`,
    )
    t.equal(sent.filter(({ message }) => message === 'passkey_added').length, 4)
    t.equal(sent.filter(({ message }) => message === 'passkey_removed').length, 1)
  },
)

t.test(
  'adding and removing needs a recent login, with the code of a user who has one',
  async (t) => {
    const service = await testApp(t)
    const { app, sql } = service
    const { login, passkey } = await withPasskey(service)
    await sql(`update sessions set created_at = now() - interval '6 minutes'`)
    const post = poster(app)
    const headers = bearer(login.access_token)
    const refused = { status: 403, body: { code: 'reauthentication_required' } }
    t.match(await post('/api/user/passkeys/options', undefined, headers), refused)
    const credential = authenticator().create({
      ...{ challenge: 'AAAA', rp: { id: 'localhost' }, user: { id: 'AAAA' } },
    })
    t.match(await post('/api/user/passkeys', { credential }, headers), refused)
    const url = `/api/user/passkeys/${passkey.id}`
    t.equal((await app.inject({ method: 'DELETE', url, headers })).statusCode, 403)

    const eve = await enrolled(service, { ...ada, email: 'eve@example.org' })
    await sql(`update sessions set amr = '{pwd}' where user_id = $1`, [eve.id])
    const withoutCode = bearer(eve.login.access_token)
    t.match(await post('/api/user/passkeys/options', undefined, withoutCode), refused)
  },
)

t.test('a passkey that was only touched is one factor', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const touched = authenticator({ verifies: false })
  const { device } = await withPasskey(service, touched)
  const alone = await useOf(service, device)
  t.equal(alone.status, 200)
  t.same(amrOf(alone.body), ['hwk', 'user'])

  const user = await enrolled(service, { ...ada, email: 'otp@example.org' })
  const second = authenticator({ verifies: false })
  t.equal((await addPasskey(service, user.login, second)).status, 201)
  const pending = await useOf(service, second)
  t.match(pending, {
    status: 403,
    body: { code: 'second_factor_required', methods: ['totp', 'recovery_code'] },
  })
  const { challenge } = pending.body
  const again = await poster(app)('/api/login/passkey/options', { challenge })
  t.match(again, { status: 400, body: { code: 'invalid_state' } }, 'the same passkey is no second')
  const done = await poster(app)('/api/login/verify', { challenge, code: await user.code() })
  t.same(amrOf(done.body), ['hwk', 'user', 'otp', 'mfa'])
})

t.test('a passkey is the second factor after a password, also a security key', async (t) => {
  const service = await testApp(t)
  const user = await enrolled(service, ada)
  const key = authenticator({ verifies: false, resident: false, transports: ['usb'] })
  t.equal((await addPasskey(service, user.login, key)).status, 201)
  const { challenge, methods } = (await user.begin()).body
  t.same(methods, ['totp', 'recovery_code', 'passkey'])
  const options = await optionsOf(service, challenge)
  t.match(options, {
    allowCredentials: [{ id: key.id.toString('base64url'), transports: ['usb'] }],
  })
  const post = poster(service.app)
  const forLogin = key.get(await optionsOf(service))
  t.match(await post('/api/login/passkey', { credential: forLogin, challenge }), {
    status: 400,
    body: { code: 'invalid_passkey' },
  })
  const eve = await withPasskey(service, authenticator(), { ...ada, email: 'eve@example.org' })
  const foreign = eve.device.get(options)
  t.match(await post('/api/login/passkey', { credential: foreign, challenge }), {
    body: { code: 'invalid_passkey' },
  })
  const credential = key.get(options)
  const done = await post('/api/login/passkey', { credential, challenge })
  t.equal(done.status, 200)
  t.same(amrOf(done.body), ['pwd', 'hwk', 'user', 'mfa'])
  t.match(await post('/api/login/passkey', { credential, challenge }), {
    body: { code: 'invalid_state' },
  })
  t.match(await post('/api/login/passkey/options', { challenge }), {
    body: { code: 'invalid_state' },
  })
})

t.test('a challenge of a browser is completed by a passkey in that browser only', async (t) => {
  const service = await testApp(t)
  const user = await enrolled(service, ada)
  const device = authenticator()
  await addPasskey(service, user.login, device)
  const post = poster(service.app)
  const headers = { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' }
  const pending = await post('/api/login', ada, headers)
  const { challenge } = pending.body
  t.equal((await post('/api/login/passkey/options', { challenge })).status, 400)
  const binding = pending.raw.cookies.find(({ name }) => name === 'challenge')?.value ?? ''
  const cookie = { ...headers, cookie: `challenge=${binding}` }
  const { body } = await post('/api/login/passkey/options', { challenge }, cookie)
  const credential = device.get(body.options as never)
  t.equal((await post('/api/login/passkey', { credential, challenge })).status, 400)
  t.equal((await post('/api/login/passkey', { credential, challenge }, cookie)).status, 200)
})

t.test('MFA=required: a passkey is a factor, but not one that was only touched', async (t) => {
  const service = await testApp(t)
  const { url, sql } = service
  const verified = await withPasskey(service)
  const touched = authenticator({ verifies: false })
  const other = await withPasskey(service, touched, { ...ada, email: 'touch@example.org' })
  const { access_token } = await logIn(service.app)
  const both = (await useOf(service, verified.device)).body
  const strict = await testApp(t, { url, env: { MFA: 'required' } })
  t.ok(await isRefused(strict.app, access_token), 'a session by the password alone has ended')
  t.notOk(await isRefused(strict.app, String(both.access_token)))
  t.match(await optionsOf(strict), { userVerification: 'required' })
  const post = poster(strict.app)
  t.equal((await useOf(strict, verified.device)).status, 200)
  t.match(await useOf(strict, other.device), {
    status: 403,
    body: { code: 'user_verification_required' },
  })
  const pending = await post('/api/login', ada)
  t.match(pending, { status: 403, body: { methods: ['passkey'] } })
  const { challenge } = pending.body
  t.match(
    await post('/api/login/enrol', { challenge }),
    { body: { code: 'invalid_state' } },
    'a thief of the password adds no factor',
  )
  const done = await useOf(strict, verified.device, {}, challenge)
  t.same(amrOf(done.body), ['pwd', 'hwk', 'user', 'mfa'])
  const remove = await strict.app.inject({
    method: 'DELETE',
    url: `/api/user/passkeys/${verified.passkey.id}`,
    headers: bearer(String(done.body.access_token)),
  })
  t.match(remove.json(), { code: 'factor_required' })
  t.equal((await sql('select from passkeys')).length, 2)
})

t.test('an enrolment that waits ends when a passkey is added', async (t) => {
  const service = await testApp(t)
  const login = await signUp(service.app)
  const strict = await testApp(t, { url: service.url, env: { MFA: 'required' } })
  const post = poster(strict.app)
  const { challenge } = (await post('/api/login', ada)).body
  await service.sql(
    `insert into passkeys (id, user_id, credential_id, public_key, sign_count, aaguid, name,
       transports, is_discoverable, backup_eligible, backed_up)
     values (gen_random_uuid(), $1, '\\x01', '\\x01', 0, gen_random_uuid(), 'x', '{}', true, true, true)`,
    [login.user.id],
  )
  t.match(await post('/api/login/enrol', { challenge }), { body: { code: 'invalid_state' } })
  t.match(await post('/api/login/verify', { challenge, code: '123456' }), {
    body: { code: 'invalid_state' },
  })
})

t.test('no passkey goes round a disabled or an inactive account', async (t) => {
  const service = await testApp(t)
  const { sql } = service
  const { device } = await withPasskey(service)
  await sql('update users set disabled_at = now()')
  t.match(await useOf(service, device), { status: 400, body: { code: 'invalid_passkey' } })
  await sql('update users set disabled_at = null, activated_at = null')
  t.match(await useOf(service, device), { status: 403, body: { code: 'activation_required' } })
  await sql('update users set activated_at = now()')
  t.equal((await useOf(service, device)).status, 200)
})

t.test('the last way to log in stays', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const { device, passkey, login } = await withPasskey(service)
  const usb = authenticator({ resident: false, transports: ['usb'] })
  const added = await addPasskey(service, login, usb)
  await sql('update users set password_hash = null')
  const headers = bearer(String((await useOf(service, device)).body.access_token))
  const remove = (id: string) =>
    app.inject({ method: 'DELETE', url: `/api/user/passkeys/${id}`, headers })
  t.match((await remove(passkey.id)).json(), { code: 'last_login_method' })
  t.equal((await remove((added.body.passkey as { id: string }).id)).statusCode, 200)
  t.match((await remove(passkey.id)).json(), { code: 'last_login_method' })
  t.equal((await useOf(service, device)).status, 200)
})

t.test('a passkey that was added before the owner proved an address goes', async (t) => {
  const sink = await smtpSink(t)
  const service = await listeningApp(t, { env: { MAIL_URL: sink.url } })
  const { app, sql } = service
  const post = poster(app)
  const { device, account } = await withPasskey(service)
  const reset = async (new_password: string) => {
    await post('/api/password/forgot', { email: account.email })
    let mail = await sink.next(account.email)
    while (!mail.token || /was changed/.test(mail.subject)) mail = await sink.next(account.email)
    const { token } = mail
    t.equal((await post('/api/password/reset', { token, new_password })).status, 200)
  }
  await reset('another horse battery')
  t.equal((await sql('select from passkeys')).length, 0)
  t.match(await useOf(service, device), { body: { code: 'invalid_passkey' } })

  const own = authenticator()
  const login = await logIn(service.app, { ...account, password: 'another horse battery' })
  t.equal((await addPasskey(service, login, own)).status, 201)
  await reset('a third horse battery')
  t.equal((await useOf(service, own)).status, 200, 'a later one stays')
})

t.test('a counter that does not grow is refused and audited', async (t) => {
  const service = await testApp(t)
  const { device } = await withPasskey(service)
  t.equal((await useOf(service, device, { count: 5 })).status, 200)
  for (const count of [5, 4, 0])
    t.match(
      await useOf(service, device, { count }),
      { body: { code: 'invalid_passkey' } },
      `${count}`,
    )
  const audited = await service.sql(`select from audit_log where event = 'passkey.refused'`)
  t.equal(audited.length, 3)
  t.equal((await useOf(service, device, { count: 6 })).status, 200)
  const [row] = await service.sql('select sign_count, backed_up, last_used_at from passkeys')
  t.match(row, { backed_up: false })
  t.ok(row?.last_used_at)
})

t.test('of 20 parallel uses of one answer, one logs in', async (t) => {
  const service = await testApp(t)
  const { device } = await withPasskey(service)
  const another = await testApp(t, { url: service.url })
  const credential = device.get(await optionsOf(service))
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      poster((at % 2 === 0 ? service : another).app)('/api/login/passkey', { credential }),
    ),
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ body }) => body.code === 'invalid_passkey').length, 19)
})

t.test('a user has 20 passkeys at most, and one passkey once', async (t) => {
  const service = await testApp(t)
  const { login, device } = await withPasskey(service)
  t.match(await addPasskey(service, login, device), {
    status: 409,
    body: { code: 'passkey_taken' },
  })
  const eve = await signUp(service.app, { ...ada, email: 'eve@example.org' })
  t.match(await addPasskey(service, eve, device), { body: { code: 'passkey_taken' } })
  const post = poster(service.app)
  const headers = bearer(login.access_token)
  const { body } = await post('/api/user/passkeys/options', undefined, headers)
  for (let at = 1; at < 20; at += 1) await addPasskey(service, login)
  const late = authenticator().create(body.options as never)
  t.match(await post('/api/user/passkeys', { credential: late }, headers), {
    status: 409,
    body: { code: 'passkey_limit' },
  })
  t.match(await post('/api/user/passkeys/options', undefined, headers), {
    body: { code: 'passkey_limit' },
  })
})

t.test('asking for options stores nothing', async (t) => {
  const service = await testApp(t)
  const rows = async () =>
    service.sql(`select (select count(*) from spent_logins) + (select count(*) from login_challenges)
      + (select count(*) from rate_limits) as rows`)
  const before = await rows()
  await Promise.all(Array.from({ length: 100 }, () => optionsOf(service)))
  t.strictSame(await rows(), before)
})

t.test('an administrator removes the passkeys with the factor, and the sessions end', async (t) => {
  const service = await testApp(t)
  const { device, login } = await withPasskey(service)
  const root = await signUp(service.app, { ...ada, email: 'root@example.org' })
  await service.sql(`insert into user_roles (user_id, role) values ($1, 'admin')`, [root.user.id])
  const { access_token } = await logIn(service.app, { ...ada, email: 'root@example.org' })
  const remove = () =>
    service.app.inject({
      method: 'DELETE',
      url: `/api/users/${login.user.id}/factors`,
      headers: bearer(access_token),
    })
  t.equal((await remove()).statusCode, 200)
  t.equal((await remove()).statusCode, 404)
  t.ok(await isRefused(service.app, login.access_token))
  t.match(await useOf(service, device), { body: { code: 'invalid_passkey' } })
  await service.sql('delete from users where id = $1', [login.user.id])
})

import t from 'tap'
import { createAdmin, createClient } from '../../support/http/client.js'
import { bearer, logIn, testApp, type TestApp } from '../../support/app.js'
import { browserSession } from '../../support/browser-session.js'
import { addClient, tokenOf } from '../../support/oauth.js'
import { mailingApp } from '../../support/smtp-sink.js'
import { openidProvider } from '../../support/social/openid-provider.js'
import { publicUrl, refusal, refused, socialApp } from '../../support/social/app.js'
import { visit } from '../../support/social/traveller.js'

const password = 'correct horse battery'
const tokenOfLink = (link: string) => new URL(link).searchParams.get('invitation') ?? ''

/** A service for invited people only, with an administrator from before. */
async function invitingApp(t: Parameters<typeof testApp>[0], env: Record<string, string> = {}) {
  const { url } = await testApp(t)
  const open = await testApp(t, { url })
  const admin = await createAdmin(open)
  const service = await testApp(t, { url, env: { REGISTRATION: 'invite', ...env } })
  return { ...service, admin, ...helpers(service) }
}

function helpers({ app }: Pick<TestApp, 'app'>) {
  const send = async (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object,
    token = '',
  ) => {
    const headers = token ? bearer(token) : {}
    const answer = await app.inject({ method, url: path, headers, ...(body && { payload: body }) })
    return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() }
  }
  return {
    send,
    async invite(admin: { login: { access_token: string } }, body: object): Promise<string> {
      const { status, body: reply } = await send(
        'POST',
        '/api/invitations',
        body,
        admin.login.access_token,
      )
      if (status !== 201) throw new Error(JSON.stringify(reply))
      return tokenOfLink(String(reply.link))
    },
    register: (body: object) => send('POST', '/api/register', { password, ...body }),
  }
}

t.test('of 50 registrations with one invitation, one gets an account', async (t) => {
  const { admin, invite, register, sql } = await invitingApp(t, { HASH_QUEUE: '128' })
  const invitation = await invite(admin, { open: true })
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => register({ username: `racer${at}`, invitation })),
  )
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 201).length, 1)
  t.equal(statuses.filter((status) => [400, 503].includes(status)).length, 49)
  t.equal((await sql(`select from users where username like 'racer%'`)).length, 1)
})

t.test(
  'only the hash is stored, the link is shown once, and looking at it uses nothing up',
  async (t) => {
    const { app, admin, invite, register, send, sql } = await invitingApp(t)
    const invitation = await invite(admin, {
      email: 'ada@example.org',
      send: false,
      roles: ['user'],
    })
    const stored = JSON.stringify(
      await sql('select *, encode(token_hash, $1) from invitations', ['hex']),
    )
    t.notMatch(stored, invitation)
    const listed = await send('GET', '/api/invitations', undefined, admin.login.access_token)
    t.notMatch(JSON.stringify(listed.body), invitation)
    t.match(listed.body, {
      invitations: [
        { email: 'ada@example.org', mobile: null, used_at: null, inviter_id: admin.id },
      ],
    })
    for (const method of ['GET', 'HEAD', 'GET'] as const) {
      const page = await app.inject({ method, url: `/register?invitation=${invitation}` })
      t.equal(page.statusCode, 200)
      if (method === 'GET') t.match(page.body, 'value="ada@example.org"')
    }
    t.match((await register({ email: 'eve@example.org', invitation })).body, {
      code: 'validation_failed',
      errors: [{ field: 'email' }],
    })
    t.equal((await register({ email: 'ADA@example.org', invitation })).status, 201)
    t.match(await register({ email: 'ada@example.org', invitation }), {
      body: { code: 'invalid_invitation' },
    })
    t.equal((await app.inject(`/register?invitation=${invitation}`)).statusCode, 400)
  },
)

t.test('a revoked, expired or unknown invitation is refused alike', async (t) => {
  const { admin, invite, register, send, sql } = await invitingApp(t)
  const [revoked, expired] = [
    await invite(admin, { open: true }),
    await invite(admin, { open: true }),
  ]
  const { body } = await send(
    'GET',
    '/api/invitations?limit=1',
    undefined,
    admin.login.access_token,
  )
  t.ok(body.next)
  const rest = await send(
    'GET',
    `/api/invitations?cursor=${String(body.next)}`,
    undefined,
    admin.login.access_token,
  )
  const [first] = rest.body.invitations as { id: string }[]
  const path = `/api/invitations/${String(first?.id)}`
  t.equal((await send('DELETE', path, undefined, admin.login.access_token)).status, 200)
  t.equal((await send('DELETE', path, undefined, admin.login.access_token)).status, 404)
  await sql(`update invitations set expires_at = now() - interval '1 second'`)
  for (const invitation of [revoked, expired, 'A'.repeat(43), 'x', 'é'])
    t.match(await register({ username: 'late', invitation }), {
      status: 400,
      body: { code: 'invalid_invitation' },
    })
  t.match(
    (await sql('select event from audit_log order by id')).map(({ event }) => event),
    [
      'user.registered',
      'login.succeeded',
      'login.succeeded',
      'invitation.created',
      'invitation.created',
      'invitation.revoked',
    ],
  )
})

t.test('roles are those that the inviter may still give', async (t) => {
  const service = await invitingApp(t)
  const { app, admin, invite, register, sql } = service
  await sql(`insert into roles values ('editor'), ('gone')`)
  const invitation = await invite(admin, { open: true, roles: ['editor', 'gone', 'admin'] })
  const others = [
    await invite(admin, { open: true }),
    await invite(admin, { open: true, roles: ['admin'] }),
  ]
  await sql(`delete from roles where name = 'gone'`)
  const { status, body } = await register({ username: 'first', invitation })
  t.equal(status, 201)
  t.match(body, { user: { roles: ['admin', 'editor', 'user'] } })
  t.match((await logIn(app, { username: 'first', password })).user, {
    roles: ['admin', 'editor', 'user'],
  })

  await sql(`delete from user_roles where user_id = $1 and role = 'admin'`, [admin.id])
  for (const other of others)
    t.match((await register({ username: 'second', invitation: other })).body, {
      code: 'invalid_invitation',
    })
  await sql(`insert into user_roles values ($1, 'admin')`, [admin.id])
  await sql('update users set disabled_at = now() where id = $1', [admin.id])
  t.match((await register({ username: 'second', invitation: others[0] })).body, {
    code: 'invalid_invitation',
  })
  await sql('delete from users where id = $1', [admin.id])
  t.match((await register({ username: 'second', invitation: others[1] })).body, {
    code: 'invalid_invitation',
  })
})

t.test('who invites must be an administrator, and say whom', async (t) => {
  const { admin, send, url } = await invitingApp(t)
  const open = await testApp(t, { url })
  const user = await createClient(open, 'plain')
  const post = (body: object, token = admin.login.access_token) =>
    send('POST', '/api/invitations', body, token)
  t.equal((await post({ open: true }, user.login.access_token)).status, 403)
  for (const body of [
    {},
    { open: false },
    { open: true, send: true },
    { open: true, email: 'a@example.org' },
    { email: 'a@example.org', mobile: '+442079460001' },
    { email: 'nobody' },
    { open: true, expires_in: 10 },
    { open: true, roles: ['No Role'] },
  ])
    t.match(
      await post(body),
      { status: 400, body: { code: 'validation_failed' } },
      JSON.stringify(body),
    )
  t.match(await post({ open: true, roles: ['nothing'] }), { status: 404 })
  const closed = await testApp(t, { url, env: { REGISTRATION: 'closed' } })
  const answer = await closed.app.inject({
    method: 'POST',
    url: '/api/invitations',
    headers: bearer(admin.login.access_token),
    payload: { open: true },
  })
  t.match(answer.json<object>(), { code: 'registration_closed' })
})

t.test(
  'a mailed invitation proves its address, a link that was handed over does not',
  async (t) => {
    const { sink, origin, post, sql } = await mailingApp(t)
    await post('/api/register', { email: 'root@example.org', password })
    await post('/api/activate', { token: (await sink.next('root@example.org')).token })
    const [root] = await sql<{ id: string }>('select id from users')
    await sql(`insert into user_roles values ($1, 'admin')`, [root?.id])
    const { body: login } = await post('/api/login', { email: 'root@example.org', password })
    const invite = (body: object) => post('/api/invitations', body, login.access_token)

    const sent = await invite({ email: 'ada@example.org' })
    t.equal(sent.status, 201)
    t.notOk('link' in sent.body)
    const { link } = await sink.next('ada@example.org')
    t.ok(link.startsWith('http://localhost:3000/register?invitation='))
    const browser = browserSession(origin)
    const form = (await browser.get(link.replace('http://localhost:3000', ''))).html
    t.match(form, 'value="ada@example.org"')
    const invitation = tokenOfLink(link)
    const back = await browser.post('/register', { email: 'ada@example.org', password, invitation })
    t.match([back.status, back.location], [303, '/'], 'it is logged in at once')
    t.match(
      await sql(`select from users where email = 'ada@example.org' and email_verified_at is not null
    and activated_at is not null`),
      [{}],
    )

    const handed = await invite({ email: 'bob@example.org', send: false })
    t.equal(
      (
        await post('/api/register', {
          email: 'bob@example.org',
          password,
          invitation: tokenOfLink(handed.body.link),
        })
      ).status,
      201,
    )
    t.match((await post('/api/login', { email: 'bob@example.org', password })).body, {
      code: 'activation_required',
    })
    t.ok((await sink.next('bob@example.org')).token, 'it is sent an activation')

    t.match((await invite({ email: 'ada@example.org' })).body, { code: 'email_taken' })
  },
)

t.test(
  'a mailed invitation takes the address from an account that never verified it',
  async (t) => {
    const { sink, post, sql } = await mailingApp(t)
    await post('/api/register', { email: 'root@example.org', password })
    await post('/api/activate', { token: (await sink.next('root@example.org')).token })
    await sql(`insert into user_roles select id, 'admin' from users`)
    const { body: login } = await post('/api/login', { email: 'root@example.org', password })
    const victim = { email: 'victim@example.org' }
    await post('/api/register', {
      ...victim,
      mobile: '+442079460007',
      password: 'a squatter’s battery',
    })
    await sink.next(victim.email)
    t.equal((await post('/api/invitations', victim, login.access_token)).status, 201)
    const invitation = tokenOfLink((await sink.next(victim.email)).link)
    t.equal((await post('/api/register', { ...victim, password, invitation })).status, 201)
    t.equal((await post('/api/login', { ...victim, password })).status, 200)
    t.equal((await post('/api/login', { ...victim, password: 'a squatter’s battery' })).status, 401)
  },
)

t.test('an account that exists gets nothing from an invitation', async (t) => {
  const { app, admin, invite, register, sql, url } = await invitingApp(t)
  const open = await testApp(t, { url })
  const user = await createClient(open, 'existing')
  const invitation = await invite(admin, { open: true, roles: ['admin'] })
  t.match(await register({ ...user.account, invitation }), {
    status: 409,
    body: { code: 'email_taken' },
  })
  t.match((await logIn(app, user.account)).user, { roles: ['user'] })
  t.match(await sql('select used_at from invitations'), [{ used_at: null }])
})

t.test('a first login by a provider needs an invitation too', async (t) => {
  const openid = await openidProvider(t, publicUrl)
  const { url } = await testApp(t)
  const open = await testApp(t, { url, env: { PUBLIC_URL: publicUrl } })
  const admin = await createAdmin(open)
  const env = { ...openid.env, REGISTRATION: 'invite' }
  const { app, browser, sql } = await socialApp(t, { url, env })
  const { invite } = helpers({ app })
  const person = (name: string) => ({
    sub: name,
    email: `${name}@example.org`,
    email_verified: true,
  })
  t.same(
    refusal(await browser().signIn('oidc', person('eve'))),
    refused(403, 'invitation_required'),
  )

  const signIn = async (name: string, invitation: string) => {
    const visitor = browser()
    const left = await visitor.home.get(`/auth/oidc?invitation=${invitation}`)
    return visitor.comeBack(await visit(new URL(left.location ?? ''), person(name), publicUrl))
  }
  const invitation = await invite(admin, { email: 'ada@example.org', send: false })
  t.same(refusal(await signIn('eve', invitation)), refused(400, 'invalid_invitation'))
  t.equal((await signIn('ada', invitation)).status, 303)
  t.same(refusal(await signIn('eve', invitation)), refused(400, 'invalid_invitation'))
  t.equal((await browser().signIn('oidc', person('ada'))).status, 303, 'later logins need none')
  t.equal((await sql(`select from users where email = 'ada@example.org'`)).length, 1)

  const closed = await socialApp(t, { url, env: { ...openid.env, REGISTRATION: 'closed' } })
  t.same(
    refusal(await closed.browser().signIn('oidc', person('eve'))),
    refused(403, 'registration_closed'),
  )
  const some = { REGISTRATION_DOMAINS: 'example.net', ACTIVATION: 'required', ...openid.env }
  const restricted = await socialApp(t, { url, env: some })
  t.same(
    refusal(await restricted.browser().signIn('oidc', person('eve'))),
    refused(403, 'domain_not_allowed'),
  )
  t.equal((await sql(`select from users where email like 'eve%'`)).length, 0)
})

t.test('an invitation of a client is void when the client loses its role', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const token = await tokenOf(app, await addClient(service, 'reports', ['admin']))
  const { send, register } = helpers(service)
  const { body } = await send('POST', '/api/invitations', { open: true }, token)
  const again = await send('POST', '/api/invitations', { open: true }, token)
  t.equal(
    (await register({ username: 'first', invitation: tokenOfLink(String(body.link)) })).status,
    201,
  )
  await sql('delete from client_roles')
  const late = await register({
    username: 'late',
    invitation: tokenOfLink(String(again.body.link)),
  })
  t.match(late.body, { code: 'invalid_invitation' })
})

import t from 'tap'
import { createClient, createAdmin } from '../../support/http/client.js'
import { bodies } from '../../support/http/matrix.js'
import { collectRoutes, nameOf } from '../../support/http/route-table.js'
import { loadConfig } from '../../../src/config/load.js'
import { ada, bearer, forTests, signUp, testApp } from '../../support/app.js'
import { mailingApp } from '../../support/smtp-sink.js'

const password = 'correct horse battery'
const routes = collectRoutes()

t.test('REGISTRATION_DOMAINS must be domains, and needs an activation', (t) => {
  const load = (env: Record<string, string>) =>
    loadConfig({ NODE_ENV: 'test', DATABASE_URL: 'postgres://x/x', ...forTests, ...env })
  t.throws(() => load({ REGISTRATION_DOMAINS: 'example.org' }), {
    message: /REGISTRATION_DOMAINS needs ACTIVATION=required/,
  })
  for (const wrong of [
    '@example.org',
    '*.example.org',
    '.example.org',
    'example.org.',
    'a b',
    'x/y',
  ])
    t.throws(
      () => load({ REGISTRATION_DOMAINS: wrong, ACTIVATION: 'required' }),
      { message: /REGISTRATION_DOMAINS must be domains/ },
      wrong,
    )
  const good = load({ REGISTRATION_DOMAINS: 'example.org, Bücher.example', ACTIVATION: 'required' })
  t.same(good.REGISTRATION_DOMAINS, ['example.org', 'Bücher.example'])
  t.throws(() => load({ REGISTRATION: 'maybe' }), {
    message: /must be one of open, invite, closed/,
  })
  t.end()
})

for (const [REGISTRATION, code] of [
  ['closed', 'registration_closed'],
  ['invite', 'invitation_required'],
] as const) {
  t.test(`REGISTRATION=${REGISTRATION}: no public route creates an account`, async (t) => {
    const url = (await testApp(t)).url
    const open = await testApp(t, { url })
    const [victim, admin] = [await createClient(open, 'victim'), await createAdmin(open)]
    const { app, sql } = await testApp(t, { url, env: { REGISTRATION } })
    const count = async () => (await sql('select from users')).length
    const before = await count()
    await app.ready()
    const table = new Map(routes.map((route) => [nameOf(route), route]))
    t.ok(table.size > 80)
    let refusals = 0
    for (const [name, route] of table) {
      const fields = { email: 'new@example.org', username: 'newcomer', mobile: '+442079460999' }
      const isForm = ['page', 'oauth'].includes(route.speaks)
      const given = bodies[name]?.(victim) ?? {}
      const bodiesOf = [given, { ...given, ...fields, password }, { ...fields, password }]
      for (const [kind, value] of Object.entries(fields))
        bodiesOf.push(
          { [kind]: value, password },
          { username: 'newcomer', [kind]: value, password },
        )
      for (const body of bodiesOf) {
        const answer = await app.inject({
          method: route.method as 'GET',
          url: route.url.replace(/:\w+/, 'oidc'),
          ...(isForm && {
            headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' },
          }),
          ...(!['GET', 'HEAD', 'OPTIONS'].includes(route.method) && {
            payload: isForm ? new URLSearchParams(body as Record<string, string>).toString() : body,
          }),
        })
        if (answer.statusCode === 403 && /Registration/.test(answer.body)) refusals += 1
      }
      t.equal(await count(), before, name)
    }
    t.ok(refusals >= 5, 'API, page and both dialects refuse it')
    const payload = { email: 'new@example.org', password }
    const refused = await app.inject({ method: 'POST', url: '/api/register', payload })
    t.match([refused.statusCode, refused.json<object>()], [403, { code }])
    const page = await app.inject({ url: '/register', headers: { accept: 'text/html' } })
    t.equal(page.statusCode, 403)
    t.notMatch(page.body, '<form method="post"')
    t.notMatch((await app.inject('/login')).body, 'href="/register')
    const made = await app.inject({
      method: 'POST',
      url: '/api/users',
      headers: bearer(admin.login.access_token),
      payload: { email: 'made@example.org' },
    })
    t.equal(made.statusCode, 201, 'administrators still create accounts')
    t.equal(
      (await app.inject({ method: 'POST', url: '/api/login', payload: victim.account })).statusCode,
      200,
    )
  })
}

t.test(
  'a claim of an address that was offered before creates no account once closed',
  async (t) => {
    const { app, url, sql } = await testApp(t)
    await signUp(app)
    const closed = await testApp(t, { url, env: { REGISTRATION: 'closed' } })
    const [user] = await sql<{ id: string }>('select id from users')
    const link = 'A'.repeat(43)
    await sql(
      `insert into one_time_codes (id, user_id, purpose, kind, address, address_canonical, link_hash,
       code_hash, code_expires_at, link_expires_at)
     values (gen_random_uuid(), $1, 'address_claim', 'email', $2, $2, sha256($3::bytea), 'x',
       now() + interval '1 hour', now() + interval '1 hour')`,
      [user?.id, ada.email, link],
    )
    const payload = { token: link, new_password: 'another horse battery' }
    const reset = { method: 'POST', url: '/api/password/reset', payload } as const
    t.match((await closed.app.inject(reset)).json<object>(), { code: 'invalid_code' })
    t.equal((await sql('select from users')).length, 1)
    t.equal((await app.inject(reset)).statusCode, 200, 'an open service accepts the same claim')
    t.equal((await sql('select from users')).length, 2)
  },
)

t.test('only the exact domains may register, and look-alikes may not', async (t) => {
  const env = { REGISTRATION_DOMAINS: 'example.org,bücher.example' }
  const { post, call, sink, sql } = await mailingApp(t, env)
  const outside = [
    'a@sub.example.org',
    'a@example.org.evil.test',
    'a@evil-example.org',
    'a@example.org.',
    'a@exampleorg',
    'a@example.orq',
    'a@еxample.org', // Cyrillic е
    'a@exаmple.org', // Cyrillic а
    'a@example.οrg', // Greek ο
    'a@ехample.org',
    'a@example.org@evil.test',
    '"a@example.org"@evil.test',
    'a%example.org@evil.test',
    'a@evil.test\n@example.org',
    'a@evil.test, b@example.org',
    'a@example.org%00.evil.test',
    'a@xn--xample-2of.org',
    'a@bucher.example',
    'a@xn--bucher-kva.example',
    'a@bu\u0308cher.example.evil.test',
    'a@example.org\u200b.evil.test',
    'a@ex\u00adample.org',
  ]
  for (const email of outside) {
    const { status, body } = await post('/api/register', { email, password })
    t.ok(status === 400 || status === 403, `${email}: ${status}`)
    t.ok(['domain_not_allowed', 'validation_failed'].includes(body.code), email)
  }
  t.equal((await sql('select from users')).length, 0)
  for (const body of [{ username: 'ada' }, { mobile: '+442079460001' }])
    t.match((await post('/api/register', { ...body, password })).body, {
      code: 'validation_failed',
    })
  const both = { email: 'x@example.org', mobile: '+442079460002', password }
  t.match((await post('/api/register', both)).body.errors, [{ field: 'mobile' }])
  for (const email of ['ada@EXAMPLE.org', 'bob@bücher.example', 'eve@xn--bcher-kva.example'])
    t.equal((await post('/api/register', { email, password })).status, 201, email)
  t.equal((await post('/user', { username: 'bob', mobile: '+442079460003', password })).status, 400)

  const { token } = await sink.next('ada@example.org')
  await post('/api/activate', { token })
  const { body } = await post('/api/login', { email: 'ada@example.org', password })
  const change = (changes: object) => call('PATCH', '/api/user', changes, body.access_token)
  t.match((await change({ email: 'ada@evil.test' })).body, { code: 'domain_not_allowed' })
  t.match((await change({ username: 'ada', email: null })).body, { code: 'validation_failed' })
  t.equal((await change({ email: 'lovelace@example.org' })).status, 200)
})

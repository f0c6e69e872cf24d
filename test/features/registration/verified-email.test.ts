import t from 'tap'
import { readFile } from 'node:fs/promises'
import { bearer, testApp } from '../../support/app.js'
import { createAdmin, createClient } from '../../support/http/client.js'
import { claimsOf } from '../../support/oauth.js'
import { phoneSink } from '../../support/phone.js'
import { mailingApp } from '../../support/smtp-sink.js'

const password = 'correct horse battery'
const phone = await phoneSink(t)
const { sink, origin, post, call } = await mailingApp(t, phone.env)

/** What tokens and headers tell other services of somebody's e-mail address. */
async function toldOf(login: { access_token: string }) {
  const { email, email_verified } = claimsOf(login.access_token)
  const answer = await fetch(`${origin}/forward-auth`, { headers: bearer(login.access_token) })
  return { email, email_verified, header: answer.headers.get('remote-email') }
}
const nothing = { email: undefined, email_verified: undefined, header: '' }

t.test('a proven mobile number tells nobody of a stranger’s e-mail address', async (t) => {
  const [email, mobile] = ['stranger@example.org', '+442079460001']
  await post('/api/register', { email, mobile, password })
  await sink.next(email)
  await post('/api/activate/resend', { mobile })
  const { code } = await phone.next(mobile)
  t.equal((await post('/api/activate', { mobile, code })).status, 200)

  const { status, body } = await post('/api/login', { email, password })
  t.equal(status, 200, 'it is still what they log in with')
  t.match(body.user, { email, email_verified: false, mobile, mobile_verified: true })
  t.strictSame(await toldOf(body), nothing)
  const { refresh_token } = body
  t.strictSame(await toldOf((await post('/api/refresh', { refresh_token })).body), nothing)
})

t.test('an e-mail address is told from the login or refresh after its proof on', async (t) => {
  const [email, mobile] = ['both@example.org', '+442079460002']
  await post('/api/register', { email, mobile, password })
  await sink.next(email)
  await post('/api/activate/resend', { mobile })
  await post('/api/activate', { mobile, code: (await phone.next(mobile)).code })
  await post('/api/activate/resend', { email })
  const { token } = await sink.next(email)
  const login = (await post('/api/login', { email, password })).body
  t.strictSame(await toldOf(login), nothing)
  t.equal((await post('/api/activate', { token })).status, 200)
  const { refresh_token } = login
  const pair = (await post('/api/refresh', { refresh_token })).body
  t.strictSame(await toldOf(pair), { email, email_verified: true, header: email })
  const { body } = await call('GET', '/api/user', undefined, pair.access_token)
  t.match(body.user, { email_verified: true, mobile_verified: true })
})

t.test('a changed address is told once it was confirmed', async (t) => {
  const [email, next] = ['old@example.org', 'new@example.org']
  await post('/api/register', { email, password })
  await post('/api/activate', { token: (await sink.next(email)).token })
  const login = (await post('/api/login', { email, password })).body
  await call('PATCH', '/api/user', { email: next }, login.access_token)
  const refreshed = (await post('/api/refresh', { refresh_token: login.refresh_token })).body
  t.strictSame(await toldOf(refreshed), { email, email_verified: true, header: email })
  await post('/api/user/confirm', { token: (await sink.next(next)).token })
  const { refresh_token } = refreshed
  const pair = (await post('/api/refresh', { refresh_token })).body
  t.strictSame(await toldOf(pair), { email: next, email_verified: true, header: next })
})

t.test('without activation, a registered address is told to nobody', async (t) => {
  const { app } = await testApp(t)
  const { login } = await createClient({ app })
  const asked = await app.inject({ url: '/forward-auth', headers: bearer(login.access_token) })
  t.equal(asked.headers['remote-email'], '')
  t.notOk('email' in claimsOf(login.access_token))
})

t.test('an address that an administrator set counts as verified', async (t) => {
  const service = await testApp(t)
  const admin = await createAdmin(service)
  const { body } = await admin.send('POST', '/api/users', { email: 'made@example.org' })
  t.match(body.user, { email_verified: true, mobile_verified: false, mobile_verified_at: null })
  const user = await createClient(service)
  const path = `/api/users/${user.id}`
  const changed = await admin.send('PATCH', path, { gender: 'x', email: user.account.email })
  t.match(changed.body.user, { email_verified: false }, 'the same one was not set')
  const email = 'edited@example.org'
  t.match((await admin.send('PATCH', path, { email })).body.user, { email, email_verified: true })
  const payload = { email, password: user.account.password }
  const login = await service.app.inject({ method: 'POST', url: '/api/login', payload })
  t.match(claimsOf(login.json<{ access_token: string }>().access_token), { email })
  const without = await admin.send('PATCH', path, { email: null, mobile: '+442079460003' })
  t.match(without.body.user, {
    ...{ email: null, email_verified: false, email_verified_at: null, mobile_verified: true },
  })
})

t.test(
  'of older accounts, those count that an administrator made and nobody changed',
  async (t) => {
    const { sql } = await testApp(t)
    const id = (nth: number) => `01890a5d-ac96-774b-bcce-00000000000${nth}`
    const events: Record<number, string[]> = {
      1: ['user.created'],
      2: ['user.created', 'user.activated', 'password.reset', 'login.succeeded'],
      3: ['user.created', 'user.updated'],
      4: ['user.created', 'user.address_changed'],
      5: ['user.registered', 'user.activated'],
      6: [],
    }
    for (const [nth, names] of Object.entries(events)) {
      const email = `user-${nth}@example.org`
      await sql(
        `insert into users (id, email, email_canonical, activated_at) values ($1, $2, $2, now())`,
        [id(Number(nth)), email],
      )
      await sql(
        `insert into audit_log (id, event, user_id)
       select gen_random_uuid(), event, $1 from unnest($2::text[]) as event`,
        [id(Number(nth)), names],
      )
    }
    const file = new URL('../../../migrations/0017_verified_addresses.sql', import.meta.url)
    const [, update = ''] = (await readFile(file, 'utf8')).split(/^(?=update users)/m)
    await sql(update)
    const verified = await sql(
      'select email from users where email_verified_at is not null order by id',
    )
    t.same(verified, [{ email: 'user-1@example.org' }, { email: 'user-2@example.org' }])
    t.same(await sql('select from users where mobile_verified_at is not null'), [])
  },
)

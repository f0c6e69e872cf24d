import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { release } from '../../src/config/release.js'
import { migrate } from '../../src/db/migrate.js'
import { isOlder } from '../../src/db/schema.js'
import { keysSecret, listeningApp } from '../support/app.js'
import { jsonClient } from '../support/browser-session.js'
import { queryAt } from '../support/database.js'
import { post } from '../support/oauth.js'
import { releases, restoreRelease } from '../support/release-fixture.js'
import { smtpSink } from '../support/smtp-sink.js'
import { until } from '../support/until.js'

type Json = ReturnType<typeof JSON.parse>

const day = 86_400
const quiet = { info: () => undefined, warn: t.fail, error: t.fail }

/** The present build on the database of a release that was stopped so many seconds ago. */
async function upgraded(t: Test, from: string, age?: number) {
  const { url, record, now } = await restoreRelease(t, from, age)
  await migrate(url, quiet)
  const mail = await smtpSink(t)
  const env = {
    ...{ PUBLIC_URL: record.public_url, ACTIVATION: 'required', MAIL_URL: mail.url },
    ...{ RATE_LIMIT: 'on', OIDC_ISSUER: record.oidc_issuer, OIDC_CLIENT_ID: 'gatehouse' },
  }
  const service = await listeningApp(t, { url, now, env })
  const client = jsonClient(service.origin)
  const call = async (...asked: Parameters<typeof client>) => {
    const { status, body } = await client(...asked)
    return { status, body: body as Json }
  }
  const { password } = record
  return {
    ...service,
    record,
    mail,
    call,
    logIn: (account: object) => call('POST', '/api/login', { password, ...account }),
    refresh: (refresh_token: string) => call('POST', '/api/refresh', { refresh_token }),
    me: (token: string) => call('GET', '/api/user', undefined, token),
  }
}

t.test('the fixtures have the throw-away secret of the tests', async (t) => {
  t.ok(releases.length > 0)
  t.notOk(isOlder(release, releases.at(-1)!), 'none is of a release to come')
  for (const from of releases) {
    t.equal((await restoreRelease(t, from)).record.keys_secret, keysSecret)
  }
})

for (const from of releases) {
  t.test(`from ${from}: users log in with the passwords that they have`, async (t) => {
    const { logIn, record, call, mail, sql } = await upgraded(t, from)
    for (const account of [
      { username: 'ada' },
      { email: 'ADA@example.org' },
      { mobile: '+442079460002' },
      { username: 'bob' },
      { mobile: '+442079460001' },
    ]) {
      const { status, body } = await logIn(account)
      t.equal(status, 200, JSON.stringify(account))
      t.equal((await call('GET', '/api/user', undefined, body.access_token)).status, 200)
    }
    const { user } = (await logIn({ username: 'ada' })).body
    t.match(user, {
      id: record.ada,
      ...{ name: 'Ada Lovelace', email: 'Ada@example.org', email_verified: true },
      ...{ mobile: '+442079460002', mobile_verified: true, roles: ['editor', 'user'] },
    })
    t.match(await logIn({ username: 'ada', password: 'not it' }), { status: 401 })
    t.match(await logIn({ email: 'dan@example.org' }), { status: 401 }, 'disabled')
    t.match(await logIn({ email: 'gone@example.org' }), { status: 401 }, 'deleted')
    t.match(await logIn({ email: 'eve@example.org' }), {
      status: 403,
      body: { code: 'activation_required' },
    })
    const admin = (await logIn({ username: 'root' })).body.access_token
    const users = await call('GET', '/api/users', undefined, admin)
    t.equal(users.body.users.length, 8)
    const audit = await call('GET', '/api/audit?event=user.deleted', undefined, admin)
    t.equal(audit.body.entries.length, 1)
    const chosen = { token: record.invitation, new_password: 'another-otter-harbour-52' }
    t.equal(
      (await call('POST', '/api/password/reset', chosen)).status,
      200,
      'the link of a message',
    )
    const frank = { email: 'frank@example.org', password: chosen.new_password }
    t.equal((await logIn(frank)).status, 200)
    t.ok((await mail.next('root@example.org')).link, 'a message that waited is sent')
    await until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox')
  })

  t.test(`from ${from}: the last login of each user is known`, async (t) => {
    const { url } = await restoreRelease(t, from)
    await migrate(url, quiet)
    const users = await queryAt<{ username: string | null; is_known: boolean }>(
      url,
      `select username, last_login_at = (select max(at) from audit_log
           where user_id = users.id and event = 'login.succeeded') as is_known
         from users where exists (
           select from audit_log where user_id = users.id and event = 'login.succeeded')`,
    )
    t.ok(users.length > 0)
    for (const { username, is_known } of users) t.ok(is_known, username ?? 'without a username')
  })

  t.test(`from ${from}: tokens stay what they were, and uploads are served`, async (t) => {
    const { me, refresh, record, call, app, origin } = await upgraded(t, from)
    const { root, stale, first, current, next, spent, ended, disabled, gone, social } =
      record.tokens
    for (const [name, token] of Object.entries({ root, first, current, social })) {
      const text = typeof token === 'string' ? token : token.access_token
      t.equal((await me(text)).status, 200, name)
    }
    t.match(await me(stale), { status: 401, body: { code: 'token_stale' } })
    for (const [name, token] of Object.entries({ ended, disabled, gone })) {
      t.match(await me(token.access_token), { status: 401, body: { code: 'invalid_token' } }, name)
      t.match(await refresh(token.refresh_token), { status: 401 }, name)
    }
    const identities = await call('GET', '/api/user/identities', undefined, social.access_token)
    t.match(identities.body.identities, [{ provider: 'oidc' }])

    const form = { token: first.access_token }
    t.match((await post(app, 'introspect', form, record.client)).json(), {
      active: true,
      sub: record.ada,
    })
    const ofClient = await post(app, 'introspect', { token: record.tokens.client }, record.client)
    t.match(ofClient.json(), { active: true, client_id: 'reports' })
    const denied = await post(app, 'introspect', { token: ended.access_token }, record.client)
    t.same(denied.json(), { active: false })

    for (const { path, sha256 } of record.served) {
      const answer = await fetch(origin + path)
      const bytes = Buffer.from(await answer.arrayBuffer())
      t.equal(createHash('sha256').update(bytes).digest('hex'), sha256, path)
    }

    for (const [name, token] of Object.entries({ first, current, social })) {
      const { status, body } = await refresh(token.refresh_token)
      t.equal(status, 200, name)
      t.equal((await me(body.access_token)).status, 200, name)
    }
    const reused = await refresh(spent.refresh_token)
    t.match(reused, { status: 401 }, 'a token that was spent before the upgrade is reuse')
    t.match(await me(next.access_token), { status: 401 }, 'and ends its session')
  })

  t.test(`from ${from}: after 31 days tokens have expired, and passwords have not`, async (t) => {
    const { me, refresh, logIn, record, app } = await upgraded(t, from, 31 * day)
    for (const { access_token, refresh_token } of [record.tokens.first, record.tokens.current]) {
      t.match(await me(access_token), { status: 401, body: { code: 'invalid_token' } })
      t.match(await refresh(refresh_token), { status: 401 })
    }
    t.equal((await logIn({ username: 'ada' })).status, 200)
    const form = { grant_type: 'client_credentials' }
    t.equal((await post(app, 'token', form, record.client)).statusCode, 200)
  })
}

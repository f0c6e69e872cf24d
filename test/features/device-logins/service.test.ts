import t, { type Test } from 'tap'
import type { Client } from '../../../src/features/clients/repository.js'
import { bearer, isRefused, testApp } from '../../support/app.js'
import {
  actorOf,
  actorOn,
  deviceCaller,
  deviceLoginsOf,
  passForCodes,
} from '../../support/device-logins.js'
import { claimsOf } from '../../support/oauth.js'
import { logIn } from '../../support/app.js'

const device = deviceCaller()
const grace = { email: 'grace@example.org', password: 'correct horse battery' }

async function start(t: Test, env: Record<string, string> = {}) {
  const service = await testApp(t, { env })
  const logins = await deviceLoginsOf(service)
  const ada = await actorOn(service)
  const begin = (from = device) => logins.begin(undefined, from)
  const approved = async () => {
    const codes = await begin()
    const { confirmation } = await logins.find(ada, codes.user_code)
    await logins.approve(ada, confirmation)
    return codes
  }
  const redeem = (code: string) => logins.redeem(undefined, code, device)
  return { ...service, logins, ada, begin, approved, redeem }
}

t.test('a device gets the tokens of a session within the login that approved it', async (t) => {
  const { app, sql, logins, ada, begin, redeem } = await start(t)
  const codes = await begin()
  t.match(codes, { user_code: /^[B-Z]{4}-[B-Z]{4}$/, expires_in: 600, interval: 5 })
  t.match(codes.device_code, /^[\w-]{43}$/)
  await t.rejects(redeem(codes.device_code), { code: 'authorization_pending' })
  const asked = await logins.find(ada, codes.user_code)
  t.match(asked, { client_name: null, address: '192.0.2.7', user_agent: 'tv' })
  await logins.approve(ada, asked.confirmation)
  const { access_token } = await redeem(codes.device_code)
  const { auth_time, amr } = claimsOf(ada.access_token)
  t.match(claimsOf(access_token), { sub: ada.user_id, client_id: 'gatehouse', auth_time, amr })
  t.not(claimsOf(access_token).sid, ada.session_id)

  const stored = JSON.stringify(await sql('select * from device_codes'))
  t.notMatch(stored, codes.device_code)
  t.notMatch(stored, codes.user_code.replace('-', ''))
  const entries = await sql(`select event, detail from audit_log order by id desc limit 2`)
  t.match(entries, [
    { event: 'session.opened', detail: { client: 'gatehouse', device: true } },
    { event: 'device_login.approved', detail: { client: 'gatehouse', from: '192.0.2.7' } },
  ])
  t.match(await sql(`select message, user_id from outbox`), [
    { message: 'device_logged_in', user_id: ada.user_id },
  ])
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(ada.access_token) })
  t.ok(await isRefused(app, access_token), 'the logout ends the session of the device too')
})

t.test('twenty requests over two instances get the tokens once', async (t) => {
  const service = await start(t, { DATABASE_POOL_SIZE: '10' })
  const { logins, sql, approved } = service
  const other = await deviceLoginsOf(service)
  for (let round = 0; round < 5; round += 1) {
    const { device_code } = await approved()
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, nth) =>
        (nth % 2 ? logins : other).redeem(undefined, device_code, device),
      ),
    )
    const refused = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    t.equal(refused.length, 19)
    for (const error of refused) t.match(error, { code: 'invalid_grant' })
  }
  t.strictSame(
    await sql(`select count(*)::int as n from audit_log where event = 'session.opened'`),
    [{ n: 5 }],
  )
})

t.test('of approvals and denials at the same time one counts', async (t) => {
  const { logins, ada, begin, sql } = await start(t, { DATABASE_POOL_SIZE: '10' })
  const codes = await begin()
  const { confirmation } = await logins.find(ada, codes.user_code)
  const answers = await Promise.allSettled(
    Array.from({ length: 10 }, (_, nth) =>
      nth % 2 ? logins.approve(ada, confirmation) : logins.deny(ada, confirmation),
    ),
  )
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1)
  const entries = await sql(`select from audit_log where event like 'device_login.%'`)
  t.equal(entries.length, 1)
})

t.test('a device that asks too soon must wait five seconds longer each time', async (t) => {
  const service = await start(t)
  const { begin, redeem, ada, logins, sql } = service
  const { device_code, user_code } = await begin()
  const intervalOf = async () =>
    (await sql<{ poll_interval: number }>('select poll_interval from device_codes'))[0]
  await t.rejects(redeem(device_code), { code: 'authorization_pending' })
  await t.rejects(redeem(device_code), { code: 'slow_down' })
  t.match(await intervalOf(), { poll_interval: 10 })
  await passForCodes(service, 6)
  await t.rejects(redeem(device_code), { code: 'slow_down' })
  t.match(await intervalOf(), { poll_interval: 15 })
  await passForCodes(service, 14.8)
  await t.rejects(redeem(device_code), { code: 'authorization_pending' })
  await logins.approve(ada, (await logins.find(ada, user_code)).confirmation)
  t.match(await redeem(device_code), { token_type: 'Bearer' }, 'an approved one gets its tokens')
  await t.rejects(redeem(device_code), { code: 'invalid_grant' })
})

t.test('a denied and an expired request end, and an unknown code never began', async (t) => {
  const service = await start(t)
  const { logins, ada, begin, redeem } = service
  const denied = await begin()
  const { confirmation } = await logins.find(ada, denied.user_code)
  await logins.deny(ada, confirmation)
  await t.rejects(redeem(denied.device_code), { code: 'access_denied' })
  await t.rejects(logins.approve(ada, confirmation), { code: 'invalid_code' })
  const late = await begin()
  const asked = await logins.find(ada, late.user_code)
  await passForCodes(service, 601)
  await t.rejects(redeem(late.device_code), { code: 'expired_token' })
  await t.rejects(logins.approve(ada, asked.confirmation), { code: 'invalid_code' })
  await t.rejects(logins.deny(ada, asked.confirmation), { code: 'invalid_code' })
  await t.rejects(logins.find(ada, late.user_code), { code: 'invalid_code' })
  await t.rejects(redeem('unknown'), { code: 'invalid_grant' })
})

t.test('an approval in the last second leaves the device a minute', async (t) => {
  const service = await start(t)
  const { logins, ada, begin, redeem } = service
  const { device_code, user_code } = await begin()
  await passForCodes(service, 598)
  await logins.approve(ada, (await logins.find(ada, user_code)).confirmation)
  await passForCodes(service, 50)
  t.match(await redeem(device_code), { token_type: 'Bearer' })
})

t.test('only the user who typed the code, in the same session, can answer', async (t) => {
  const service = await start(t)
  const { app, logins, ada, begin, sql } = service
  const mallory = await actorOn(service, grace)
  const { user_code } = await begin()
  const { confirmation } = await logins.find(ada, user_code)
  await t.rejects(logins.find(mallory, user_code), { code: 'invalid_code' })
  await t.rejects(logins.approve(mallory, confirmation), { code: 'invalid_code' })
  await t.rejects(logins.deny(mallory, confirmation), { code: 'invalid_code' })
  const elsewhere = actorOf((await logIn(app)).access_token)
  await t.rejects(logins.approve(elsewhere, confirmation), { code: 'invalid_code' })
  await t.rejects(logins.approve(ada, 'AAAA'), { code: 'invalid_code' })
  t.match(await logins.find(elsewhere, user_code), { user_code }, 'she logs in again, and goes on')
  await sql('update sessions set client_id = (select id from clients limit 1), host = $1', ['x'])
  await t.rejects(logins.approve(ada, confirmation), { code: 'invalid_code' }, 'of an app')
  t.match(await sql('select decided_at from device_codes'), [{ decided_at: null }])
})

t.test('an answer needs a login of the last five minutes', async (t) => {
  const { logins, ada, begin, sql } = await start(t)
  const { user_code } = await begin()
  const { confirmation } = await logins.find(ada, user_code)
  await sql(`update sessions set created_at = now() - interval '301 seconds'`)
  const refusal = { code: 'reauthentication_required' }
  await t.rejects(logins.find(ada, user_code), refusal)
  await t.rejects(logins.approve(ada, confirmation), refusal)
  await t.rejects(logins.find(ada, 'BBBB-BBBB'), refusal, 'a wrong code tells no more')
})

t.test('a login that ended before the device asked gives it nothing', async (t) => {
  const { app, ada, approved, redeem } = await start(t)
  const { device_code } = await approved()
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(ada.access_token) })
  await t.rejects(redeem(device_code), { code: 'invalid_grant' })
})

t.test('a client needs the flag, and gets the code of no other', async (t) => {
  const service = await start(t)
  const { logins, ada } = service
  const client: Client = {
    ...{ id: crypto.randomUUID(), name: 'tv', roles: [], epoch: 0, created_at: '', attests: false },
    ...{ redirect_uris: [], is_public: true, allows_device: true },
  }
  await service.sql(`insert into clients (id, name, secret_hash) values ($1, 'tv', '')`, [
    client.id,
  ])
  const without = { ...client, allows_device: false }
  await t.rejects(logins.begin(without, device), { code: 'unauthorized_client' })
  const { device_code, user_code } = await logins.begin(client, device)
  const { confirmation, client_name } = await logins.find(ada, user_code)
  t.equal(client_name, 'tv')
  await logins.approve(ada, confirmation)
  await t.rejects(logins.redeem(undefined, device_code, device), { code: 'invalid_grant' })
  const other = { ...client, id: crypto.randomUUID() }
  await t.rejects(logins.redeem(other, device_code, device), { code: 'invalid_grant' })
  await t.rejects(logins.redeem(without, device_code, device), { code: 'unauthorized_client' })
  const { access_token } = await logins.redeem(client, device_code, device)
  t.match(claimsOf(access_token), { client_id: 'tv' })
})

import t from 'tap'
import { prune } from '../../../src/db/retention.js'
import { readUserCode } from '../../../src/features/device-logins/user-codes.js'
import { testApp } from '../../support/app.js'
import { actorOn, deviceCaller, deviceLoginsOf, passForCodes } from '../../support/device-logins.js'

const fill = (count: number, network: string) =>
  `insert into device_codes (device_hash, user_hash, network, address, expires_at, poll_interval)
   select sha256(('d' || n || '${network}')::bytea), sha256(('u' || n || '${network}')::bytea),
     '${network}', '::1', now() + interval '10 minutes', 5 from generate_series(1, ${count}) n`

t.test('a network has fifty codes at most, also at the same time', async (t) => {
  const service = await testApp(t, { env: { DATABASE_POOL_SIZE: '10' } })
  const both = [await deviceLoginsOf(service), await deviceLoginsOf(service)]
  await service.sql(fill(40, '192.0.2.7'))
  const answers = await Promise.allSettled(
    Array.from({ length: 20 }, (_, nth) => both[nth % 2]!.begin(undefined, deviceCaller())),
  )
  const refused = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  t.equal(refused.length, 10)
  for (const error of refused) t.match(error, { code: 'rate_limited', retryAfter: 60 })
  t.match(await both[0]!.begin(undefined, deviceCaller('192.0.2.8')), { interval: 5 })
  await passForCodes(service, 601)
  t.match(await both[0]!.begin(undefined, deviceCaller()), { interval: 5 }, 'expired ones are none')
})

t.test('a client has 2,000 codes at most, and the service 5,000', async (t) => {
  const service = await testApp(t)
  const { sql } = service
  const logins = await deviceLoginsOf(service)
  const client = {
    ...{ id: crypto.randomUUID(), name: 'tv', roles: [], epoch: 0, created_at: '', attests: false },
    ...{ redirect_uris: [], is_public: true, allows_device: true },
  }
  await sql(`insert into clients (id, name, secret_hash) values ($1, 'tv', '')`, [client.id])
  await sql(fill(2_000, 'a'))
  await t.rejects(logins.begin(undefined, deviceCaller()), { code: 'rate_limited' })
  t.match(await logins.begin(client, deviceCaller()), { interval: 5 }, 'another client has its own')
  await sql(fill(3_000, 'b'))
  await t.rejects(logins.begin(client, deviceCaller()), { code: 'rate_limited' })
})

t.test('wrong codes are counted by account, by network and in all', async (t) => {
  const service = await testApp(t, { env: { RATE_LIMIT: 'on' } })
  const logins = await deviceLoginsOf(service)
  const ada = await actorOn(service)
  const { user_code } = await logins.begin(undefined, deviceCaller())
  const wrong = 'BBBB-BBBB'
  for (let nth = 0; nth < 9; nth += 1) {
    await t.rejects(logins.find(ada, wrong), { code: 'invalid_code' })
  }
  t.match(await logins.find(ada, user_code), { user_code }, 'a right one resets nothing')
  await t.rejects(logins.find(ada, 'no code'), { code: 'invalid_code' }, 'a typing error is no try')
  await t.rejects(logins.find(ada, wrong), { code: 'invalid_code' })
  await t.rejects(logins.find(ada, user_code), { code: 'rate_limited' })
  const counters = await service.sql<{ key: string; points: number }>(
    `select key, points from rate_limits where key like 'user_code:%' order by key`,
  )
  t.match(counters, [
    { key: `user_code:account:${ada.user_id}`, points: 10 },
    { key: 'user_code:all', points: 10 },
    { key: 'user_code:network:198.51.100.4', points: 10 },
  ])
  const entries = await service.sql(`select detail from audit_log where event = 'code.refused'`)
  t.match(entries, Array(10).fill({ detail: { purpose: 'device_login' } }))
  const grace = await actorOn(service, { email: 'grace@example.org', password: 'correct horse' })
  const elsewhere = { ...grace, address: '203.0.113.9' }
  for (const [key, max] of [
    ['user_code:all', 1_000],
    ['user_code:network:203.0.113.9', 50],
  ] as const) {
    const end = Date.now() + 3_600_000
    await service.sql(
      `insert into rate_limits (key, most, points, expire, open_at) values ($1, $2, $2, $3, $3)
       on conflict (key) do update set points = excluded.points, open_at = excluded.open_at`,
      [key, max, end],
    )
    await t.rejects((await deviceLoginsOf(service)).find(elsewhere, user_code), {
      code: 'rate_limited',
    })
    await service.sql('delete from rate_limits where key = $1', [key])
  }
})

t.test('expired codes go an hour later', async (t) => {
  const service = await testApp(t)
  const { db, sql } = service
  const logins = await deviceLoginsOf(service)
  const { user_code } = await logins.begin(undefined, deviceCaller())
  t.ok(readUserCode(user_code))
  await passForCodes(service, 600 + 3_590)
  await prune(db, 86_400)
  t.equal((await sql('select from device_codes')).length, 1)
  await passForCodes(service, 11)
  await prune(db, 86_400)
  t.equal((await sql('select from device_codes')).length, 0)
})

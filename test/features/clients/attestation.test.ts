import t from 'tap'
import { createAttest } from '../../../packages/client/src/astro/attest.js'
import { createAttestations } from '../../../src/features/clients/attestations.js'
import { createKnownSites } from '../../../src/features/clients/known-sites.js'
import { newSiteKey, readPublicKey } from '../../../src/features/clients/site-keys.js'
import { ada, bearer, signUp, testApp, type TestApp } from '../../support/app.js'
import { addSite, removeClient } from '../../support/oauth.js'
import { sentStatements } from '../../support/sent-statements.js'

const limited = { RATE_LIMIT: 'on', TRUST_PROXY: 'none' }
const visitor = '203.0.113.7'
const wrong = { email: ada.email, password: 'a wrong password' }

type Sent = {
  method?: 'POST' | 'PUT' | 'GET'
  path?: string
  body?: object
  address?: string
  agent?: string
}

/** The headers of a request that a site signs. */
function signed(siteKey: string, sent: Sent = {}, now = Date.now()): Record<string, string> {
  const { method = 'POST', path = '/api/login', body, address = visitor, agent = 'Browser' } = sent
  const headers = new Headers({ 'user-agent': agent })
  const content = body && { body: JSON.stringify(body) }
  const attest = createAttest(siteKey, 'http://gatehouse/sub', () => now)
  attest({ target: `http://gatehouse/sub${path}`, method, ...content, headers, address })
  return Object.fromEntries(headers)
}

async function logIn(app: TestApp['app'], headers: Record<string, string>, body: object = ada) {
  const answer = await app.inject({ method: 'POST', url: '/api/login', payload: body, headers })
  const { status, code = status } = answer.json<{ status: string; code?: string }>()
  return code
}

t.test('sessions and the audit log have the address and browser that a site attests', async (t) => {
  const service = await testApp(t, { env: limited })
  const { app, sql } = service
  const siteKey = await addSite(service)
  await signUp(app)
  t.equal(await logIn(app, signed(siteKey, { body: ada, agent: 'Browser é' })), 'success')
  t.equal(
    await logIn(app, signed(siteKey, { body: wrong, address: '2001:db8::7' }), wrong),
    'invalid_credentials',
  )
  const rows = await sql(`select event, host(address::inet) as address, user_agent from audit_log
    where event like 'login%' or event like 'session%' order by id desc limit 2`)
  t.match(rows, [
    { address: '2001:db8::7', user_agent: 'Browser' },
    { address: visitor, user_agent: 'Browser é' },
  ])
  const counters = await sql<{ key: string }>(
    `select key from rate_limits where key like 'login:%'`,
  )
  t.same(
    counters.map(({ key }) => key).sort(),
    [`login:${visitor}`, 'login:2001:db8:0:0::/64', 'login:127.0.0.1'].sort(),
  )
})

t.test('an attestation without a body, and with a query, is accepted', async (t) => {
  const service = await testApp(t, { env: limited })
  const siteKey = await addSite(service)
  const { access_token } = await signUp(service.app)
  const sent = { method: 'GET', path: '/api/user?x=%2e' } as const
  const headers = { ...signed(siteKey, sent), ...bearer(access_token) }
  const answer = await service.app.inject({ url: sent.path, headers })
  t.not(answer.json<{ code?: string }>().code, 'invalid_attestation', answer.body)
  const refresh = { method: 'POST', path: '/api/refresh' } as const
  const { statusCode } = await service.app.inject({
    ...{ method: 'POST', url: refresh.path },
    headers: { ...signed(siteKey, refresh), 'content-length': '0' },
  })
  t.equal(statusCode, 401)
})

t.test('a wrong attestation is refused, and counts nothing', async (t) => {
  const service = await testApp(t, { env: limited })
  const { app, sql } = service
  const siteKey = await addSite(service)
  const [, secret = ''] = siteKey.split(':')
  const other = await addSite(service, 'other')
  const gone = await addSite(service, 'gone')
  t.equal(await logIn(app, signed(gone, { body: wrong }), wrong), 'invalid_credentials')
  await removeClient(service, 'gone')
  await signUp(app)
  await sql('delete from rate_limits')

  const good = signed(siteKey, { body: wrong })
  const now = Date.now()
  const input = good['signature-input'] ?? ''
  const without = (name: string) =>
    Object.fromEntries(Object.entries(good).filter(([each]) => each !== name))
  const forged: Record<string, Record<string, string>> = {
    'of a key that is not registered': signed(newSiteKey('www').site_key, { body: wrong }),
    "of another client's key": signed(`www:${other.split(':')[1] ?? ''}`, { body: wrong }),
    'of an unknown client': signed(`nobody:${secret}`, { body: wrong }),
    'of a removed client': signed(gone, { body: wrong }),
    'of another method': signed(siteKey, { body: wrong, method: 'PUT' }),
    'of another path': signed(siteKey, { body: wrong, path: '/api/register' }),
    'of another query': signed(siteKey, { body: wrong, path: '/api/login?x' }),
    'of another body': signed(siteKey, { body: ada }),
    'of no body': signed(siteKey),
    late: signed(siteKey, { body: wrong }, now - 32_000),
    'from the future': signed(siteKey, { body: wrong }, now + 8_000),
    'with another address': { ...good, 'gatehouse-visitor': '198.51.100.1' },
    'with no address': { ...good, 'gatehouse-visitor': 'localhost' },
    'with a zone': signed(siteKey, { body: wrong, address: 'fe80::1%eth0' }),
    'with two addresses': { ...good, 'gatehouse-visitor': `${visitor}, ${visitor}` },
    'with another browser': { ...good, 'user-agent': 'Other' },
    'with another digest': { ...good, 'content-digest': signed(siteKey)['content-digest'] ?? '' },
    'with another nonce': {
      ...good,
      'signature-input': input.replace(/nonce="[^"]+/, `nonce="${'A'.repeat(22)}`),
    },
    'that leaves out the address': {
      ...good,
      'signature-input': input.replace(' "gatehouse-visitor"', ''),
    },
    'with another algorithm': {
      ...good,
      'signature-input': input.replace('ed25519', 'hmac-sha256'),
    },
    'with a second signature': { ...good, 'signature-input': `${input}, other=()` },
    'with huge headers': { ...good, 'signature-input': input.repeat(40) },
    'without a signature': without('signature'),
    'without an input': without('signature-input'),
    'without a digest': without('content-digest'),
  }
  for (const [name, headers] of Object.entries(forged))
    t.equal(await logIn(app, headers, wrong), 'invalid_attestation', name)
  t.same(await sql('select key from rate_limits'), [])

  t.equal(await logIn(app, without('gatehouse-visitor'), wrong), 'invalid_credentials')
  const keys = await sql<{ key: string }>(`select key from rate_limits where key like 'login:%'`)
  t.same(keys, [{ key: 'login:127.0.0.1' }], 'without the header nothing is attested')
  t.equal(await logIn(app, good, wrong), 'invalid_credentials', 'the unchanged one is good')
})

t.test(
  'an attestation works once on an instance, and counts for its address on another',
  async (t) => {
    const service = await testApp(t, { env: limited })
    const { app: second } = await testApp(t, { env: limited, url: service.url })
    const siteKey = await addSite(service)
    const headers = signed(siteKey, { body: wrong })
    const atOnce = await Promise.all([1, 2, 3].map(() => logIn(service.app, headers, wrong)))
    t.same(atOnce.sort(), ['invalid_attestation', 'invalid_attestation', 'invalid_credentials'])
    t.equal(await logIn(second, headers, wrong), 'invalid_credentials')
    t.equal(await logIn(second, headers, wrong), 'invalid_attestation')
    const rows = await service.sql(`select key, points from rate_limits where key like 'login:%'`)
    t.same(rows, [{ key: `login:${visitor}`, points: 2 }], 'a replay lifts no limit')
  },
)

t.test('all addresses of one site have a total, and a known device is outside of it', async (t) => {
  const env = { ...limited, RATE_LIMIT_ATTESTED: '5/15m' }
  const service = await testApp(t, { env })
  const { app } = service
  const siteKey = await addSite(service)
  await signUp(app)
  const first = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
  const mark = first.cookies.find(({ name }) => name.endsWith('device'))
  const guess = (nth: number) => {
    const body = { email: `user-${nth}@example.org`, password: 'a wrong password' }
    return logIn(app, signed(siteKey, { body, address: `198.51.100.${nth}` }), body)
  }
  for (let nth = 0; nth < 5; nth += 1) t.equal(await guess(nth), 'invalid_credentials')
  t.equal(await guess(6), 'rate_limited')
  t.equal(await logIn(app, signed(siteKey, { body: ada }), ada), 'rate_limited')
  const known = { ...signed(siteKey, { body: ada }), cookie: `${mark?.name}=${mark?.value}` }
  t.equal(await logIn(app, known), 'success', 'a device that logged in before')
  t.equal(await logIn(app, {}, ada), 'success', 'a visitor of no site')

  const refresh = (nth: number) => {
    const body = { refresh_token: 'x' }
    const sent = { body, path: '/api/refresh', address: `192.0.2.${nth}` }
    const headers = signed(siteKey, sent)
    return app.inject({ method: 'POST', url: '/api/refresh', payload: body, headers })
  }
  const statuses: number[] = []
  for (let nth = 0; nth < 7; nth += 1) statuses.push((await refresh(nth)).statusCode)
  t.same(statuses, [401, 401, 401, 401, 401, 429, 429], 'each kind of failure has its own')
})

t.test('successful logins of a site use no budget', async (t) => {
  const service = await testApp(t, { env: { ...limited, RATE_LIMIT_ATTESTED: '2/15m' } })
  const siteKey = await addSite(service)
  await signUp(service.app)
  for (let nth = 0; nth < 5; nth += 1)
    t.equal(await logIn(service.app, signed(siteKey, { body: ada })), 'success')
})

t.test('neither an attestation nor a forged one costs a statement for each request', async (t) => {
  const service = await testApp(t, { env: { ...limited, DENYLIST_SYNC: 'listen' } })
  const siteKey = await addSite(service)
  await signUp(service.app)
  await logIn(service.app, signed(siteKey, { body: ada }))
  const sent = sentStatements(t)
  const count = (pattern: RegExp) => sent.filter(({ text }) => pattern.test(text)).length
  await logIn(service.app, signed(siteKey, { body: ada }))
  t.equal(count(/client_site_keys/), 0)
  t.equal(count(/into rate_limits/), 2, 'as a login without')
  sent.length = 0
  const startedAt = performance.now()
  for (let nth = 0; nth < 200; nth += 1)
    await logIn(service.app, signed(`unknown${nth}:${'x'.repeat(43)}`, { body: ada }))
  const seconds = Math.ceil((performance.now() - startedAt) / 1_000)
  t.ok(
    count(/client_site_keys/) <= seconds + 1,
    'names that do not exist cost one statement a second',
  )
  t.equal(count(/rate_limits|users|audit_log/), 0)
})

t.test('a site that sends more than can be remembered is told to wait', async (t) => {
  const { site_key, public_key } = newSiteKey('www')
  let now = 1_000_000
  const clock = { now: () => now, monotonic: () => now }
  const key = readPublicKey(public_key)
  const findSite = () => Promise.resolve({ id: 'id', name: 'www', key })
  const verify = createAttestations({ findSite, clock, maxNonces: 2 })
  now = 1_700_000_000_000
  const request = () => ({
    method: 'POST',
    target: '/x',
    headers: signed(site_key, { path: '/x' }, now),
  })
  const first = request()
  await verify(first)
  await verify(request())
  await t.rejects(verify(request()), { code: 'overloaded', retryAfter: 1 })
  await t.rejects(verify(first), { code: 'invalid_attestation' }, 'a nonce is not forgotten')
  now += 30_000
  await t.rejects(verify(first), { code: 'invalid_attestation' })
  now += 10_000
  await verify(request())
})

t.test('keys are read once a minute, and at once for a new name', async (t) => {
  let now = 0
  let loads = 0
  let isWithinLease = true
  const denied = new Set<string>()
  const rows = [{ id: 'one', name: 'one', public_key: newSiteKey('one').public_key }]
  const findSite = createKnownSites({
    clients: { listSiteKeys: () => Promise.resolve(((loads += 1), rows)) },
    denials: { isDenied: (id) => denied.has(id), isWithinLease: () => isWithinLease },
    clock: { monotonic: () => now },
  })
  await Promise.all([findSite('one'), findSite('one'), findSite('none')])
  t.equal(loads, 1)
  now = 59_000
  t.match(await findSite('one'), { id: 'one' })
  t.equal(loads, 1)
  await Promise.all(Array.from({ length: 100 }, () => findSite('none')))
  t.equal(loads, 2)
  denied.add('one')
  t.equal(await findSite('one'), undefined, 'a removed client')
  rows[0] = { ...rows[0], id: 'two', name: 'one', public_key: newSiteKey('one').public_key }
  now += 1_000
  t.match(await findSite('one'), { id: 'two' }, 'a new client of the same name')
  t.equal(loads, 3)
  isWithinLease = false
  now += 1_000
  await findSite('one')
  t.equal(loads, 4, 'without news of removals')
})

import t from 'tap'
import { networkOf } from '../../../src/features/limits/network.js'
import { ada, signUp, testApp, type TestApp } from '../../support/app.js'

const limited = { RATE_LIMIT: 'on' }

t.test('a network is an IPv4 address, or an IPv6 /64, in any spelling', async (t) => {
  const one = '2001:db8:0:1::/64'
  const table: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
    ['2001:db8:0:1::1', one],
    ['2001:DB8:0:1::1', one],
    ['2001:0db8:0000:0001:0000:0000:0000:0001', one],
    ['2001:db8:0:1:ffff:ffff:ffff:ffff', one],
    ['2001:db8::1:0:0:192.0.2.1', one],
    ['2001:db8:0:2::1', '2001:db8:0:2::/64'],
    ['2001:db8:0:1::1%eth0', one],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['fe80::2%25wlan1', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['garbage', 'garbage'],
    ['', ''],
    ['999.0.0.1', '999.0.0.1'],
    ['2001:db8:::1', '2001:db8:::1'],
    ['x'.repeat(9_000), 'x'.repeat(64)],
  ]
  for (const [address, network] of table) t.equal(networkOf(address), network, address)
})

type Where = { from?: string; peer?: string }

/** Returns a function that sends a failed login for a new account and returns its status. */
function createSprayer() {
  let count = 0
  return async (app: TestApp['app'], { from, peer = '127.0.0.1' }: Where) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/login',
      payload: { email: `user-${(count += 1)}@example.org`, password: ada.password },
      headers: from === undefined ? {} : { 'x-forwarded-for': from },
      remoteAddress: peer,
    })
    return answer.statusCode
  }
}

async function sprayAll(app: TestApp['app'], places: Where[]): Promise<number[]> {
  const spray = createSprayer()
  const statuses: number[] = []
  for (const place of places) statuses.push(await spray(app, place))
  return statuses
}

const failures = (statuses: number[]) => statuses.filter((status) => status === 401).length

t.test('all addresses of an IPv6 /64 share one budget', async (t) => {
  const { app } = await testApp(t, { env: limited })
  const places = Array.from({ length: 1_000 }, (_, nth) => ({
    from: `2001:db8:0:1:${nth.toString(16)}::${(nth * 31).toString(16)}`,
  }))
  const statuses = await sprayAll(app, places)
  t.same(statuses, [...Array<number>(100).fill(401), ...Array<number>(900).fill(429)])
  t.same(await sprayAll(app, [{ from: '2001:db8:0:2::1' }]), [401])
  t.same(await sprayAll(app, [{ peer: '2001:db8:0:1::beef' }]), [429], 'also without the proxy')
})

t.test('X-Forwarded-For counts only from a trusted proxy', async (t) => {
  const env = { ...limited, RATE_LIMIT_LOGIN: '5/15m' }
  const { app } = await testApp(t, { env })
  const numbers = Array.from({ length: 20 }, (_, nth) => `198.51.100.${nth}`)

  const direct = await sprayAll(
    app,
    numbers.map((from) => ({ from, peer: '203.0.113.9' })),
  )
  t.equal(failures(direct), 5, 'from a peer that is not a proxy')
  const prefixed = await sprayAll(
    app,
    numbers.map((from) => ({ from: `${from}, 203.0.113.10` })),
  )
  t.equal(failures(prefixed), 5, 'an entry before that of the proxy')
  t.equal(
    failures(
      await sprayAll(
        app,
        numbers.map((from) => ({ from })),
      ),
    ),
    20,
    'entries that the proxy wrote',
  )

  const { app: bare } = await testApp(t, { env: { ...env, TRUST_PROXY: '10.0.0.0/8' } })
  const local = await sprayAll(
    bare,
    numbers.map((from) => ({ from })),
  )
  t.equal(failures(local), 5, 'from this host, which is not the trusted proxy')
})

t.test('instances share a budget, in sequence and concurrently', async (t) => {
  const env = { ...limited, RATE_LIMIT_LOGIN: '10/15m' }
  const { app, url } = await testApp(t, { env })
  const { app: other } = await testApp(t, { env, url })
  const spray = createSprayer()
  const both = (from: string) => (nth: number) => spray(nth % 2 === 0 ? app : other, { from })

  const inTurn: number[] = []
  for (let nth = 0; nth < 14; nth += 1) inTurn.push(await both('192.0.2.1')(nth))
  t.same(inTurn, [...Array<number>(10).fill(401), ...Array<number>(4).fill(429)])

  const atOnce = await Promise.all(Array.from({ length: 50 }, (_, nth) => both('192.0.2.2')(nth)))
  t.equal(failures(atOnce), 10)
  t.equal(atOnce.filter((status) => status === 429).length, 40)
})

t.test('successful logins use no budget', async (t) => {
  const { app } = await testApp(t, { env: { ...limited, RATE_LIMIT_LOGIN: '3/15m' } })
  await signUp(app)
  for (let nth = 0; nth < 10; nth += 1) {
    const answer = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
    t.equal(answer.statusCode, 200)
    t.notOk(answer.headers['ratelimit-limit'], 'a successful answer has no RateLimit headers')
  }
  t.same(await sprayAll(app, Array(4).fill({})), [401, 401, 401, 429])
  const refused = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
  t.equal(refused.statusCode, 429)
  t.match(refused.headers, { 'ratelimit-limit': '3', 'ratelimit-remaining': '0' })
})

t.test('concurrent successful logins use no budget', async (t) => {
  const { app } = await testApp(t, { env: { ...limited, RATE_LIMIT_LOGIN: '5/15m' } })
  await signUp(app)
  const login = () => app.inject({ method: 'POST', url: '/api/login', payload: ada })
  await Promise.all(Array.from({ length: 12 }, login))
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  t.equal((await login()).statusCode, 200)
})

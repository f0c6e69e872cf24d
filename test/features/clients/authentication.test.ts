import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'
import { listeningApp, testApp } from '../../support/app.js'
import { exchange, toBytes } from '../../support/http/connection.js'
import { addClient, basic, isForm, post } from '../../support/oauth.js'

const grant = { grant_type: 'client_credentials' }
const endpoints = ['token', 'introspect', 'revoke'] as const
const forms = { token: grant, introspect: { token: 'x' }, revoke: { token: 'x' } }

t.test('a client authenticates by header or by form, never by both', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const { client_id } = client
  const ofOther = await addClient(service, 'other')
  for (const endpoint of endpoints) {
    const form = forms[endpoint]
    t.equal((await post(app, endpoint, form, client)).statusCode, 200, 'basic')
    t.equal((await post(app, endpoint, { ...form, ...client })).statusCode, 200, 'post')
    const named = await post(app, endpoint, { ...form, client_id }, client)
    t.equal(named.statusCode, 200, 'a name is no second authentication')
    const twice: [name: string, form: Record<string, string>][] = [
      ['both', { ...form, ...client }],
      ['another secret', { ...form, client_secret: 'x' }],
      ['another client', { ...form, ...ofOther }],
      ['the name of another client', { ...form, client_id: 'other' }],
    ]
    for (const [name, both] of twice) {
      const answer = await post(app, endpoint, both, client)
      t.equal(answer.statusCode, 400, `${endpoint}: ${name}`)
      t.match(answer.json(), { error: 'invalid_request' }, name)
    }
    const nameless = await post(app, endpoint, { ...form, client_secret: client.client_secret })
    t.match(nameless.json(), { error: 'invalid_request' })
  }
})

t.test('what is not a client’s name and secret is answered alike', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const { client_id, client_secret } = await addClient(service)
  await addClient(service, 'other')
  const pairs = [
    [client_id, 'wrong'],
    [client_id, ''],
    [client_id, client_secret.slice(1)],
    [client_id, `${client_secret} `],
    [client_id, `${client_secret}\0`],
    [client_id, client_secret.toLowerCase()],
    [client_id, 'x'.repeat(8_000)],
    ['unknown', client_secret],
    ['other', client_secret],
    ['gatehouse', client_secret],
    [client_id.toUpperCase(), client_secret],
    [` ${client_id}`, client_secret],
    [`${client_id}\0`, client_secret],
    ['', client_secret],
    ['x'.repeat(3_000), client_secret],
    ["x' or '1'='1", client_secret],
    ['__proto__', client_secret],
  ] as const
  const heads = new Set<string>()
  for (const endpoint of endpoints) {
    for (const [id, secret] of pairs) {
      const wrong = { client_id: id, client_secret: secret }
      const answer = await post(app, endpoint, forms[endpoint], wrong)
      t.equal(answer.statusCode, 401, `${endpoint}: ${id}:${secret}`.slice(0, 80))
      const challenge = answer.headers['www-authenticate']
      t.equal(challenge, 'Basic realm="gatehouse", charset="UTF-8"')
      heads.add(
        `${JSON.stringify({ ...answer.headers, date: '', 'x-request-id': '' })} ${answer.body}`,
      )
    }
  }
  t.equal(heads.size, 1)
})

t.test('Basic is read as RFC 6749 spells it', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const { client_id, client_secret } = await addClient(service, 'reports.v1')
  const ask = async (authorization: string) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { ...isForm, authorization },
      payload: 'grant_type=client_credentials',
    })
    return answer.statusCode
  }
  const encode = (text: string | Buffer) => Buffer.from(text as string).toString('base64')
  const escaped = Buffer.from(client_secret).toString('hex').replaceAll(/../g, '%$&')
  const pair = `${client_id}:${client_secret}`
  const right = {
    'as it is': `Basic ${encode(pair)}`,
    'in lower case': `basic ${encode(pair)}`,
    'without its padding': `Basic ${encode(pair).replace(/=+$/, '')}`,
    'every letter escaped': `Basic ${encode(`reports%2Ev1:${escaped}`)}`,
  }
  for (const [name, header] of Object.entries(right)) t.equal(await ask(header), 200, name)
  const wrong = {
    nothing: '',
    'no pair': 'Basic',
    'a space': 'Basic ',
    'no base64': 'Basic !!!!',
    'base64url of what needs none': `Basic ${encode(`${pair}???>>>`)}`.replaceAll('/', '_'),
    'two pairs': `Basic ${encode(pair)} ${encode(pair)}`,
    'two pairs with a comma': `Basic ${encode(pair)}, Basic ${encode(pair)}`,
    'no colon': `Basic ${encode(client_id)}`,
    'no name': `Basic ${encode(`:${client_secret}`)}`,
    'the colon escaped': `Basic ${encode(pair.replace(':', '%3A'))}`,
    'a plus for nothing': `Basic ${encode(`${client_id}:+${client_secret}`)}`,
    'an escape that is none': `Basic ${encode(`${pair}%`)}`,
    'an escape of no UTF-8': `Basic ${encode(`${pair}%ff`)}`,
    'no UTF-8': `Basic ${encode(Buffer.concat([Buffer.from(pair), Buffer.from([0xff])]))}`,
    'a BOM in front': `Basic ${encode(`\ufeff${pair}`)}`,
    'twice in base64': `Basic ${encode(encode(pair))}`,
    'another scheme': `Bearer ${encode(pair)}`,
    'no scheme': encode(pair),
    'a digest': `Digest username="${client_id}"`,
  }
  for (const [name, header] of Object.entries(wrong)) t.equal(await ask(header), 401, name)
})

t.test('two Authorization headers are no authentication', async (t) => {
  const service = await listeningApp(t)
  const client = await addClient(service)
  const header = `Authorization: ${basic(client).authorization}`
  const request = {
    method: 'POST',
    target: '/oauth/token',
    headers: ['Content-Type: application/x-www-form-urlencoded', header, header],
    body: 'grant_type=client_credentials',
  }
  const { answers } = await exchange(service.origin, toBytes(request))
  t.match(answers[0], { status: 400, body: 'invalid_request' })
})

t.test('a secret is compared in the same way whether there is such a client or not', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const compare = t.capture(crypto, 'timingSafeEqual', crypto.timingSafeEqual)
  syncBuiltinESMExports()
  t.teardown(() => {
    compare.restore()
    syncBuiltinESMExports()
  })
  const tries = [
    client,
    { ...client, client_secret: 'wrong' },
    { ...client, client_secret: 'w'.repeat(4_000) },
    { ...client, client_id: 'unknown' },
    { ...client, client_id: 'No Name' },
  ]
  for (const credentials of tries) {
    await post(app, 'introspect', { token: 'x' }, credentials)
    t.strictSame(
      compare().map(({ args }) => args.map((one) => one.byteLength)),
      [[32, 32]],
      credentials.client_id,
    )
  }
})

t.test('the database holds no secret', async (t) => {
  const service = await testApp(t)
  const { client_secret } = await addClient(service)
  t.equal(Buffer.from(client_secret, 'base64url').length, 32)
  const rows = await service.sql<{ all: string }>(
    'select to_json(clients)::text as all from clients',
  )
  const hash = crypto.createHash('sha256').update(client_secret).digest('hex')
  t.match(rows[0]?.all, `\\\\x${hash}`)
  const audit = await service.sql('select to_json(audit_log)::text as all from audit_log')
  t.notMatch(JSON.stringify([rows, audit]), client_secret)
})

t.test('failures count per network, and hold up nobody who is right', async (t) => {
  const env = { RATE_LIMIT: 'on', RATE_LIMIT_CLIENTS: '6/15m', RATE_LIMIT_LOGIN: '1/15m' }
  const service = await testApp(t, { env })
  const { app, url } = service
  const { app: instance } = await testApp(t, { env, url })
  const client = await addClient(service)
  const wrong = { ...client, client_secret: 'wrong' }
  const statuses: number[] = []
  for (let nth = 0; nth < 6; nth += 1) {
    const endpoint = endpoints[nth % 3]!
    const form = forms[endpoint]
    const credentials = nth % 2 === 0 ? wrong : { ...client, client_id: `unknown-${nth}` }
    statuses.push((await post(nth < 3 ? app : instance, endpoint, form, credentials)).statusCode)
  }
  t.strictSame(statuses, Array(6).fill(401))
  for (const one of [app, instance]) {
    const refused = await post(one, 'introspect', { token: 'x' }, wrong)
    t.equal(refused.statusCode, 429)
    t.match(refused.headers, { 'retry-after': /^\d+$/, 'ratelimit-remaining': '0' })
    t.match(refused.json(), { error: 'temporarily_unavailable' })
    t.equal((await post(one, 'introspect', { token: 'x' }, client)).statusCode, 200)
  }
  const elsewhere = await app.inject({
    method: 'POST',
    url: '/oauth/introspect',
    headers: { ...isForm, ...basic(wrong) },
    payload: 'token=x',
    remoteAddress: '192.0.2.1',
  })
  t.equal(elsewhere.statusCode, 401, 'another network has its own budget')
  const payload = { email: 'ada@example.org', password: 'wrong horse battery' }
  const login = await app.inject({ method: 'POST', url: '/api/login', payload })
  t.equal(login.statusCode, 401, 'and logins have theirs')
})

t.test('fifty wrong secrets at once are counted exactly', async (t) => {
  const env = { RATE_LIMIT: 'on', RATE_LIMIT_CLIENTS: '10/15m' }
  const service = await testApp(t, { env })
  const wrong = { ...(await addClient(service)), client_secret: 'wrong' }
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => post(service.app, 'token', grant, wrong)),
  )
  t.equal(answers.filter(({ statusCode }) => statusCode === 401).length, 10)
  t.equal(answers.filter(({ statusCode }) => statusCode === 429).length, 40)
})

t.test('a refusal is written down, and nothing that was typed', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service)
  for (const client_id of ['reports', 'hunter2']) {
    await post(service.app, 'token', grant, { ...client, client_id, client_secret: 'hunter2' })
  }
  const rows = await service.sql(
    `select event, actor_id, detail from audit_log where event = 'client.refused' order by id`,
  )
  t.strictSame(rows, [
    { event: 'client.refused', actor_id: null, detail: { client: 'reports' } },
    { event: 'client.refused', actor_id: null, detail: {} },
  ])
})

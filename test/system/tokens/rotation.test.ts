import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose'
import { setImmediate as endOfTurn, setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createSeal } from '../../../src/crypto/seal.js'
import { openRotation } from '../../../src/commands/rotation.js'
import { createServices } from '../../../src/services/services.js'
import { AppError } from '../../../src/errors.js'
import { leadTime } from '../../../src/config/key-life.js'
import { generateKey } from '../../../src/features/tokens/key-pair.js'
import { createKeyRepository } from '../../../src/features/tokens/key-repository.js'
import { refreshKeyOf } from '../../../src/features/tokens/refresh-key.js'
import { ada, bearer, keysSecret, listeningApp, logIn, signUp, testApp } from '../../support/app.js'
import type { TestApp } from '../../support/app.js'

const silent = pino({ level: 'silent' })
const env = { KEY_ROTATION: '30m', ACCESS_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '30d' }
const day = 86_400

type Service = TestApp & { origin: string }

const kidOf = (token: string) => decodeProtectedHeader(token).kid ?? ''

/** What the database keeps of the keys moves back in time instead of the clock moving on. */
const pass = ({ sql }: TestApp, seconds: number) =>
  sql(
    `update signing_keys set created_at = created_at - make_interval(secs => $1),
       signs_from = signs_from - make_interval(secs => $1)`,
    [seconds],
  )

const listed = async ({ app }: TestApp) =>
  (await app.inject('/.well-known/jwks.json'))
    .json<JSONWebKeySet>()
    .keys.map(({ kid }) => kid ?? '')

/** Tries again, as the schedule and an operator do: twenty at once may wait too long for one pool. */
async function whenFree<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'unavailable') throw error
      await sleep(50)
    }
  }
}

const stored = async ({ sql }: TestApp) =>
  (await sql<{ kid: string }>('select kid from signing_keys order by signs_from')).map(
    ({ kid }) => kid,
  )

const statusOf = async ({ app }: TestApp, token: string) =>
  (await app.inject({ url: '/api/user', headers: bearer(token) })).statusCode

const refreshAt = ({ app }: TestApp, refresh_token: string) =>
  app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`never: ${what}`)
    await sleep(10)
  }
}

const signsWith = (service: TestApp, kid: string) =>
  until(`${kid} signs`, async () => kidOf((await logIn(service.app)).access_token) === kid)

/** Several instances on one database, which look at their keys all the time. */
async function instances(t: Test, count: number, more: Record<string, string> = {}) {
  const first = await listeningApp(t, { env: { ...env, ...more }, keyCheckInterval: 20 })
  const others = Array.from({ length: count - 1 }, () =>
    listeningApp(t, { env: { ...env, ...more }, url: first.url, keyCheckInterval: 20 }),
  )
  return [first, ...(await Promise.all(others))] as [Service, ...Service[]]
}

const operate = ({ config, db }: TestApp) => openRotation(config, db, keysSecret)

/** Another service: it keeps the JWK set for as long as it may, and asks for it at no other time. */
function createVerifier(services: Service[], clock: () => number) {
  let kept: { set: ReturnType<typeof createLocalJWKSet>; until: number } | undefined
  let asked = 0
  return async (token: string) => {
    if (!kept || clock() >= kept.until) {
      const { origin } = services[asked++ % services.length]!
      const answer = await fetch(`${origin}/.well-known/jwks.json`)
      const maxAge = Number(/max-age=(\d+)/.exec(answer.headers.get('cache-control') ?? '')?.[1])
      const set = createLocalJWKSet((await answer.json()) as JSONWebKeySet)
      kept = { set, until: clock() + maxAge }
    }
    await jwtVerify(token, kept.set, { audience: 'gatehouse', typ: 'at+jwt' })
  }
}

/** The revision that an instance has loaded last. */
function watchLoads({ db }: { db: { query: unknown } }): () => number {
  const query = db.query as (...values: unknown[]) => Promise<{ rows: { revision: number }[] }>
  let revision = 0
  db.query = async (...values: unknown[]) => {
    const result = await query(...values)
    if (/left join signing_keys/.test(String(values[0]))) revision = result.rows[0]?.revision ?? 0
    return result
  }
  return () => revision
}

t.test('three rotations under load: nobody is refused, here or elsewhere', async (t) => {
  const services = await instances(t, 2)
  const [first, second] = services as [Service, Service]
  await signUp(first.app)
  let passed = 0
  const clock = () => passed
  const loaded = services.map(watchLoads)
  const verify = createVerifier(services, clock)
  const faults: string[] = []
  const kids = new Set<string>()
  let isOver = false
  let requests = 0

  /** One who uses each access token for nearly all of its life, then refreshes. */
  async function use(number: number): Promise<void> {
    let { access_token, refresh_token } = await logIn(services[number % 2]!.app)
    let since = clock()
    for (let turn = number; !isOver; turn += 1) {
      const { origin } = services[turn % 2]!
      if (clock() - since > 750) {
        const payload = JSON.stringify({ refresh_token })
        const headers = { 'content-type': 'application/json' }
        const began = clock()
        const answer = await fetch(`${origin}/api/refresh`, {
          method: 'POST',
          body: payload,
          headers,
        })
        if (answer.status !== 200) return void faults.push(`refresh ${answer.status}`)
        ;({ access_token, refresh_token } = (await answer.json()) as typeof answer & Tokens)
        since = began
      }
      kids.add(kidOf(access_token))
      const kid = kidOf(access_token)
      const { status } = await fetch(`${origin}/api/user`, { headers: bearer(access_token) })
      if (status !== 200) faults.push(`${status} with ${kid} at ${clock()}`)
      await verify(access_token).catch(() => faults.push(`not verified: ${kid} at ${clock()}`))
      requests += 1
    }
  }

  const users = Array.from({ length: 6 }, (_, number) => use(number))
  for (let rotations = 1; rotations <= 3; rotations += 1) {
    // The next is published when half of the time of the present one is over.
    while ((await stored(first)).length === rotations) await step()
    const next = (await stored(first)).at(-1) ?? ''
    for (const service of services) {
      await until('published', async () => (await listed(service)).includes(next))
      t.not(kidOf((await logIn(service.app)).access_token), next, 'it does not sign yet')
    }
    const published = clock()
    while (kidOf((await logIn(first.app)).access_token) !== next) await step()
    t.ok(clock() - published >= 300, 'it was published for longer than the set is kept')
    await signsWith(second, next)
  }
  // Until everybody has a token of the last key.
  for (let passes = 0; passes < 9; passes += 1) await step()
  isOver = true
  await Promise.all(users)
  t.same(faults, [])
  t.equal(kids.size, 4, 'keys that signed')
  t.ok(requests > 200, `${requests} requests`)

  async function step(): Promise<void> {
    const before = requests
    await pass(first, 100)
    passed += 100
    await until('requests', async () => requests >= before + 6 || faults.length > 0)
    const [ring] = await first.sql<{ revision: string }>('select revision from key_ring')
    const isLoaded = async () => loaded.every((revision) => revision() >= Number(ring?.revision))
    await until('both have loaded what there is', isLoaded)
  }
})

type Tokens = { access_token: string; refresh_token: string }

t.test('a retired key leaves the set, then refreshes no more, then is gone', async (t) => {
  const [service] = await instances(t, 1)
  const { access_token, refresh_token } = await signUp(service.app)
  const spare = await logIn(service.app)
  const unseen = await logIn(service.app)
  const old = kidOf(access_token)
  const { kid } = await operate(service).rotate(0)
  await signsWith(service, kid)
  await pass(service, 15 * 60)
  await until('loaded', async () => (await listed(service)).length >= 2)
  t.equal(await statusOf(service, access_token), 200, 'within the leeway')
  await pass(service, 121)
  await until('unlisted', async () => !(await listed(service)).includes(old))
  t.equal(await statusOf(service, unseen.access_token), 401, 'no genuine one can be alive')
  const refreshed = await refreshAt(service, refresh_token)
  t.equal(refreshed.statusCode, 200)
  t.equal(kidOf(refreshed.json<Tokens>().refresh_token), refreshKeyOf(keysSecret, kid).kid)
  await pass(service, 30 * day)
  await until('removed', async () => !(await stored(service)).includes(old))
  await until(
    'forgotten',
    async () => (await refreshAt(service, spare.refresh_token)).statusCode === 401,
  )
  t.match(await service.sql(`select address, detail from audit_log where event = 'key.removed'`), [
    { address: 'schedule', detail: { kid: old, why: 'expired' } },
  ])
})

t.test('a session goes on over many rotations', async (t) => {
  const [first, second] = (await instances(t, 2)) as [Service, Service]
  let { refresh_token } = await signUp(first.app)
  for (const service of [first, second, first, second]) {
    const { kid } = await operate(first).rotate(0)
    await Promise.all([signsWith(first, kid), signsWith(second, kid)])
    const answer = await refreshAt(service, refresh_token)
    t.equal(answer.statusCode, 200)
    ;({ refresh_token } = answer.json<Tokens>())
    t.equal(kidOf(refresh_token), refreshKeyOf(keysSecret, kid).kid)
  }
})

t.test(
  'twenty instances that find a key overdue make one, and so do twenty operators',
  async (t) => {
    const service = await testApp(t, { env })
    const { db, config, sql } = service
    const services = await Promise.all(
      Array.from({ length: 20 }, () =>
        createServices(config, { db, listenUrl: '', keysSecret, log: silent }),
      ),
    )
    await pass(service, 40 * day)
    const tend = () =>
      Promise.all(
        services.map(async ({ keyring, rotation }) => {
          await keyring.poll()
          return whenFree(() => rotation.maintain(keyring.snapshot()!))
        }),
      )
    t.ok((await tend()).includes(true))
    t.equal((await stored(service)).length, 2)
    t.same([...new Set(await tend())], [false], 'and there is nothing left to do')
    await pass(service, leadTime)
    const made = await Promise.all(
      services.map(({ rotation }) => whenFree(() => rotation.rotate(leadTime))),
    )
    t.equal(made.filter(({ is_new }) => is_new).length, 1)
    t.equal(new Set(made.map(({ kid }) => kid)).size, 1)
    t.equal((await stored(service)).length, 3)
    const events = await sql(`select address, detail from audit_log where event = 'key.rotated'
    order by id`)
    t.match(events, [
      { address: 'schedule', detail: { algorithm: 'ES256' } },
      { address: 'cli', detail: { kid: made[0]?.kid } },
    ])
  },
)

t.test('a removed key is dead on every instance, and another signs at once', async (t) => {
  const services = (await instances(t, 2)) as [Service, Service]
  const [first, second] = services
  const { access_token, refresh_token } = await signUp(first.app)
  const { refresh_token: other } = await logIn(first.app)
  const old = kidOf(access_token)
  const next = await operate(first).remove(old)
  t.same(await stored(first), [next?.kid])
  for (const service of services) {
    await until('refused', async () => (await statusOf(service, access_token)) === 401)
    t.same(await listed(service), [next?.kid])
    t.equal(kidOf((await logIn(service.app)).access_token), next?.kid)
  }
  t.equal((await refreshAt(first, refresh_token)).statusCode, 401)
  t.equal((await refreshAt(second, other)).statusCode, 401)
  t.match(
    await first.sql(
      `select event, address, detail from audit_log where event like 'key.%' order by id`,
    ),
    [
      { event: 'key.removed', address: 'cli', detail: { kid: old, why: 'by hand' } },
      { event: 'key.rotated', address: 'cli', detail: { kid: next?.kid } },
    ],
  )
})

t.test(
  'a published key takes the place of a removed one; others go without a successor',
  async (t) => {
    const service = await testApp(t, { env })
    const rotation = operate(service)
    const [old = ''] = await stored(service)
    const { kid: next, is_new } = await rotation.rotate(leadTime)
    t.ok(is_new)
    t.match(await rotation.rotate(leadTime), { kid: next, is_new: false }, 'once is enough')
    t.match(await rotation.remove(old), { kid: next, is_new: false })
    t.match(await rotation.list(), { signer: next })
    const { kid: third } = await rotation.rotate(leadTime)
    t.equal(await rotation.remove(third), undefined)
    t.match(await rotation.list(), { signer: next, keys: [{ kid: next, retiresAt: Infinity }] })
    await t.rejects(rotation.remove(third), { code: 'not_found' })
  },
)

t.test('who crashes after publishing loses nothing: the time alone lets a key sign', async (t) => {
  const [first] = await instances(t, 1)
  const { access_token } = await signUp(first.app)
  await pass(first, 15 * 60)
  await until('published', async () => (await stored(first)).length === 2)
  await first.app.close()
  const next = (await stored(first)).at(-1) ?? ''
  await pass(first, leadTime)
  const second = await testApp(t, { env, url: first.url })
  t.equal(kidOf((await logIn(second.app)).access_token), next)
  t.equal(await statusOf(second, access_token), 200)
})

t.test('after months of rest the overdue key signs until the next was published', async (t) => {
  const before = await testApp(t, { env })
  await signUp(before.app)
  const [old] = await stored(before)
  await pass(before, 200 * day)
  const service = await listeningApp(t, { env, url: before.url, keyCheckInterval: 20 })
  await until('published', async () => (await listed(service)).length === 2)
  t.equal(kidOf((await logIn(service.app)).access_token), old)
  const [, next = ''] = await stored(service)
  await pass(service, leadTime)
  await signsWith(service, next)
})

t.test(
  'a new algorithm signs when it was published, on instances of both algorithms',
  async (t) => {
    const [old] = await instances(t, 1)
    const { access_token } = await signUp(old.app)
    const changed = { ...env, JWT_ALGORITHM: 'EdDSA' }
    const service = await listeningApp(t, { env: changed, url: old.url, keyCheckInterval: 20 })
    t.equal(kidOf((await logIn(service.app)).access_token), kidOf(access_token))
    const [, next = ''] = await stored(service)
    await pass(service, leadTime)
    await signsWith(service, next)
    const token = (await logIn(service.app)).access_token
    t.equal(decodeProtectedHeader(token).alg, 'EdDSA')
    t.equal(await statusOf(old, token), 200, 'though it was not there when this one started')
    t.equal(await statusOf(service, access_token), 200)
  },
)

t.test('stored secrets rotate as well', async (t) => {
  const [service] = await instances(t, 1, { JWT_ALGORITHM: 'HS256' })
  const { access_token } = await signUp(service.app)
  const { kid } = await operate(service).rotate(0)
  await signsWith(service, kid)
  t.equal(await statusOf(service, access_token), 200)
  t.same(await listed(service), [])
})

t.test('a keyring reloads once for many, tells of changes, and keeps what it has', async (t) => {
  const { config, db } = await testApp(t)
  let fails = false
  let loads = 0
  const counted: typeof db = {
    ...db,
    query: (text, values) => {
      if (fails) return Promise.reject(new Error('gone'))
      if (text.includes('sealed_private_key')) loads += 1
      return db.query(text, values)
    },
  }
  const { keyring, rotation } = await createServices(config, {
    db: counted,
    listenUrl: '',
    keysSecret,
    log: silent,
  })
  let changes = 0
  keyring.onChange(() => (changes += 1))
  loads = 0
  const first = keyring.reload()
  await endOfTurn()
  await Promise.all([first, ...Array.from({ length: 49 }, () => keyring.reload())])
  t.equal(loads, 2, 'one that was running, and one for who came meanwhile')
  t.equal(changes, 0)
  await keyring.poll()
  t.equal(loads, 2, 'nothing has changed')

  const before = keyring.revision
  const { kid } = await rotation.rotate(0)
  loads = 0
  await keyring.poll()
  t.match({ loads, changes, kid: keyring.current().kid }, { loads: 1, changes: 1, kid })
  t.ok(keyring.revision > before)

  fails = true
  await t.rejects(keyring.reload())
  t.equal(keyring.current().kid, kid)
  fails = false
  await rotation.remove(kid)
  await keyring.reload()
  t.equal(changes, 2)
  t.equal(keyring.find(kid, 'at+jwt'), undefined)
})

t.test('an instance whose clock stands still hears the time from the database', async (t) => {
  const { config, db } = await testApp(t)
  const { keyring } = await createServices(config, { db, listenUrl: '', keysSecret, log: silent })
  const frozen = performance.now()
  t.intercept(performance, 'now', { value: () => frozen })
  await keyring.poll()
  const before = keyring.snapshot()!.now
  t.equal(keyring.snapshot()!.now, before)
  await keyring.poll()
  t.ok(keyring.snapshot()!.now > before)
})

t.test('a key that cannot be opened is reported, and hides no change of the others', async (t) => {
  const lines: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => lines.push(line) })
  const { config, db } = await testApp(t)
  const { keyring, rotation } = await createServices(config, { db, listenUrl: '', keysSecret, log })
  const { kid: old } = keyring.current()
  const foreigner = createKeyRepository(db, createSeal(`${keysSecret}-another`, 'signing keys'))
  const pair = await generateKey('ES256')
  const { kid: foreign } = pair
  await foreigner.add(pair, 0)
  await keyring.reload()
  t.equal(lines.length, 1)
  t.match(lines[0], foreign)
  t.equal(keyring.current().kid, old, 'the one before it goes on signing')
  const made = await rotation.remove(foreign)
  await rotation.remove(old)
  await keyring.reload()
  t.equal(keyring.current().kid, made?.kid)
  t.equal(keyring.find(refreshKeyOf(keysSecret, old).kid, 'rt+jwt'), undefined)
})

t.test('an instance that lost every key answers 503 until it has made another', async (t) => {
  const service = await testApp(t)
  await signUp(service.app)
  const { config, db, sql } = service
  const { keyring, rotation } = await createServices(config, {
    db,
    listenUrl: '',
    keysSecret,
    log: silent,
  })
  await sql('delete from signing_keys')
  await keyring.poll()
  t.throws(() => keyring.current(), { code: 'unavailable' })
  t.equal(await rotation.maintain(keyring.snapshot()!), true)
  await keyring.reload()
  t.ok(keyring.current().kid)
})

t.test('every change of keys is notified, and counted', async (t) => {
  const { default: pg } = await import('pg')
  const service = await testApp(t)
  const client = new pg.Client({ connectionString: service.url })
  await client.connect()
  const heard: string[] = []
  client.on('notification', ({ payload }) => heard.push(payload ?? ''))
  await client.query('listen gatehouse')
  const revision = async () =>
    Number((await service.sql<{ revision: string }>('select revision from key_ring'))[0]?.revision)
  const before = await revision()
  const { kid } = await operate(service).rotate(leadTime)
  await operate(service).remove(kid)
  await until('heard', async () => heard.length === 2)
  t.same(heard, ['keys', 'keys'])
  t.equal(await revision(), before + 2)
  await client.end()
})

t.test('an instance looks after its keys until it closes', async (t) => {
  const service = await listeningApp(t, { env, keyCheckInterval: 5 })
  await signUp(service.app, ada)
  await service.app.close()
  await pass(service, 40 * day)
  await sleep(50)
  t.equal((await stored(service)).length, 1)
})

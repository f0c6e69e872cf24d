import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { bearer, listeningApp, logIn, signUp } from '../../support/app.js'
import { changeHistory, denyEarly } from '../../support/histories.js'
import { claimsOf, whileLocked } from '../../support/oauth.js'
import { ask, fill, readAll, type Heard } from '../../support/revocations.js'
import { until } from '../../support/until.js'

const deny = `insert into token_denylist (id, expires_at) values ($1, now() + interval '1 hour')`
const idsOf = ({ claims }: Heard) => claims.denials.map(([id]) => id)

async function openClient(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

t.test('it tells all that is denied, and then what is new', async (t) => {
  const { app, origin, sql } = await listeningApp(t)
  const { access_token, user } = await signUp(app)
  const other = await logIn(app)
  const before = await ask(origin)
  t.match(before.claims, { full: true, more: false, after: null, denials: [] })
  t.equal(before.claims.iss, claimsOf(access_token).iss)
  t.equal(before.claims.exp - before.claims.iat, 10)
  t.ok(Math.abs(before.claims.at - Date.now()) < 2_000)
  const { keys } = (await (await fetch(`${origin}/.well-known/jwks.json`)).json()) as {
    keys: { kid: string }[]
  }
  t.same(
    before.claims.keys,
    keys.map(({ kid }) => kid),
  )

  const { next } = before.claims
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(access_token) })
  await sql('update users set epoch = epoch + 1 where id = $1', [user.id])
  let heard = await ask(origin, next)
  await until(async () => {
    heard = await ask(origin, next)
    return heard.claims.denials.length === 2
  }, 'both')
  t.match(heard.claims, { full: false, more: false, after: next })
  const { sid, epoch } = claimsOf(access_token) as { sid: string; epoch: number }
  const byId = new Map(heard.claims.denials.map(([id, ...rest]) => [id, rest]))
  t.match(byId.get(sid), [Number, null])
  const [, raised] = byId.get(user.id) ?? []
  t.ok(Number(raised) > epoch, 'the epoch has risen')
  t.notOk(byId.has(String(claimsOf(other.access_token).sid)))

  const after = await ask(origin, heard.claims.next)
  t.match(after.claims, { full: false, denials: [], next: heard.claims.next }, 'the cursor stays')
  t.same((await ask(origin)).claims.denials.length, 2)
})

t.test(
  'nothing is missed when the later id commits first, whichever instance is asked',
  async (t) => {
    const first = await listeningApp(t)
    const second = await listeningApp(t, { url: first.url })
    const [slow, quick] = [await openClient(t, first.url), await openClient(t, first.url)]
    const [early, late] = [randomUUID(), randomUUID()]
    let { next } = (await ask(first.origin)).claims
    const heard: string[] = []
    const listen = async (origin: string) => {
      const answer = await ask(origin, next)
      t.equal(answer.claims.full, false)
      heard.push(...idsOf(answer))
      next = answer.claims.next
    }
    await slow.query('begin')
    await slow.query(deny, [early])
    await quick.query(deny, [late])
    await until(async () => {
      await listen(first.origin)
      return heard.includes(late)
    }, 'the one that committed')
    t.notOk(heard.includes(early))
    const cursor = next
    await slow.query('commit')
    await until(async () => {
      await listen(second.origin)
      return heard.includes(early)
    }, 'the other')
    next = cursor
    heard.length = 0
    await until(async () => {
      await listen(first.origin)
      return heard.includes(early)
    }, 'the other, where the first was read')
  },
)

t.test('two instances that deny all the time leave nothing out', async (t) => {
  const first = await listeningApp(t)
  const services = [first, await listeningApp(t, { url: first.url })]
  const clients = await Promise.all(services.map(() => openClient(t, first.url)))
  const denied: string[] = []
  let { next } = (await ask(first.origin)).claims
  const heard = new Set<string>()
  const writers = clients.map(async (client, writer) => {
    for (let turn = 0; turn < 60; turn += 1) {
      const id = randomUUID()
      await client.query('begin')
      await client.query(deny, [id])
      await client.query(`select pg_sleep(${((turn * 7 + writer * 3) % 10) / 100})`)
      await client.query('commit')
      denied.push(id)
    }
  })
  let turn = 0
  await until(async () => {
    const answer = await ask(services[turn++ % 2]!.origin, next)
    for (const id of idsOf(answer)) heard.add(id)
    next = answer.claims.next
    return heard.size === 120
  }, 'all of them')
  await Promise.all(writers)
  t.equal(heard.size, 120)
  t.same(
    denied.filter((id) => !heard.has(id)),
    [],
  )
})

t.test('20,000 come in pages, from any instance, with what is denied meanwhile', async (t) => {
  const first = await listeningApp(t)
  const second = await listeningApp(t, { url: first.url })
  const { next: early } = (await ask(first.origin)).claims
  const rows = await first.sql<{ id: string }>(fill, [20_000])
  await sleep(200) // an answer is shared for 100 ms
  const { ids, next, pages } = await readAll([first.origin, second.origin])
  t.equal(pages, 5)
  t.same(ids.sort(), rows.map(({ id }) => id).sort())
  const added = randomUUID()
  await first.sql(deny, [added])
  await until(async () => idsOf(await ask(second.origin, next)).includes(added), 'the new one')
  await until(async () => (await ask(first.origin, early)).claims.full, 'too much at once is all')
  t.match((await ask(second.origin, early)).claims, { full: true, more: true, after: early })
})

t.test('a cursor that is none, or of another database, is answered with all', async (t) => {
  const { origin, sql } = await listeningApp(t)
  const id = randomUUID()
  await sql(deny, [id])
  const future = '9223372036854775807:9223372036854775807:'
  const last = '00000000-0000-7000-8000-000000000000'
  const cursors = [
    ...['', 'x', '1', '0:0:', "1:1:' or 1=1", '%00', '2:1:', '1'.repeat(9_000), '٣:٣:'],
    ...[future, `${future}~${last}`, `~${last}`],
  ]
  for (const cursor of cursors) {
    const answer = await ask(origin, cursor)
    t.equal(answer.status, 200, cursor.slice(0, 60))
    t.match(answer.claims, { full: true, more: false, denials: [[id, Number, null]] })
    const asked = cursor.startsWith('9') ? cursor : null
    t.equal(answer.claims.after, asked)
    t.same(idsOf(await ask(origin, answer.claims.next)), [])
  }
  const twice = await fetch(`${origin}/.well-known/revocations?after=1:1:&after=2:2:`)
  t.equal(twice.status, 200)
  const old = await ask(origin, '1:1:')
  t.match(old.claims, { full: true, after: '1:1:' }, 'one of an earlier release names no history')
  t.same(idsOf(old), [id])
  for (const cursor of [future, `${future}~${last}`]) {
    const dated = `${old.claims.history}.${cursor}`
    const answer = await ask(origin, dated)
    t.match(answer.claims, { full: true, after: dated, denials: [[id, Number, null]] }, cursor)
  }
})

t.test('a cursor of another history of the database is answered with all', async (t) => {
  const { origin, sql } = await listeningApp(t)
  const before = (await ask(origin)).claims
  const id = randomUUID()
  await sql(denyEarly, [id])
  t.same(idsOf(await ask(origin, before.next)), [], 'its transaction is taken for seen')
  await sql(changeHistory)
  let heard = await ask(origin, before.next)
  await until(async () => {
    heard = await ask(origin, before.next)
    return heard.status === 200 && heard.claims.full
  }, 'all of it')
  t.match(heard.claims, { after: before.next, more: false, denials: [[id, Number, null]] })
  t.not(heard.claims.history, before.history)
  t.same(idsOf(await ask(origin, heard.claims.next)), [])
})

t.test('the same bytes are not sent twice', async (t) => {
  const { origin, sql } = await listeningApp(t)
  const first = await ask(origin)
  const etag = first.headers.get('etag') ?? ''
  t.match(etag, /^"[\w-]{43}"$/)
  t.match(first.headers.get('cache-control'), /no-cache/)
  t.equal(first.headers.get('content-type'), 'application/jwt')
  const same = await ask(origin, undefined, { 'if-none-match': `"x", ${etag}` })
  t.equal(same.status, 304)
  t.equal(same.token, '')
  t.equal(same.headers.get('etag'), etag)
  t.equal((await ask(origin, undefined, { 'if-none-match': '"x"' })).status, 200)
  await sql(deny, [randomUUID()])
  await until(
    async () => (await ask(origin, undefined, { 'if-none-match': etag })).status === 200,
    'other bytes',
  )
  const before = (await ask(origin)).token
  await until(async () => (await ask(origin)).token !== before, 'a younger signature')
})

t.test('a thousand who ask at once cost a few queries', async (t) => {
  const { origin, db } = await listeningApp(t)
  const { next } = (await ask(origin)).claims
  let queries = 0
  const { query } = db
  db.query = async (text: string, values: unknown[]) => {
    if (text.includes('json_agg')) queries += 1
    return query(text, values)
  }
  const began = performance.now()
  for (let round = 0; round < 5; round += 1) {
    const asked = Array.from({ length: 200 }, () =>
      fetch(`${origin}/.well-known/revocations?after=${next}`).then(({ status }) => status),
    )
    t.same(new Set(await Promise.all(asked)), new Set([200]))
  }
  const most = 2 + (performance.now() - began) / 100
  t.ok(queries <= most, `${queries} of at most ${most}`)
})

t.test('a database that cannot tell is 503, and the next to ask hears when it can', async (t) => {
  const { origin, url } = await listeningApp(t)
  const { next } = (await ask(origin)).claims
  await whileLocked(url, 'token_denylist', async () => {
    await until(async () => (await ask(origin, next)).status !== 200, 'a refusal')
    const answer = await ask(origin, next)
    t.equal(answer.status, 503)
    t.match(answer.headers.get('retry-after'), /^\d+$/)
    t.equal(answer.headers.get('etag'), null)
    t.equal(answer.headers.get('cache-control'), 'no-store')
  })
  await until(async () => (await ask(origin, next)).status === 200, 'an answer')
})

t.test('with a secret nothing could be verified: there is no feed', async (t) => {
  const { origin } = await listeningApp(t, { env: { JWT_ALGORITHM: 'HS256' } })
  const answer = await ask(origin)
  t.equal(answer.status, 404)
  t.match(JSON.parse(answer.token), { code: 'not_found' })
})

import t, { type Test } from 'tap'
import { loadConfig } from '../../../src/config/load.js'
import { prune } from '../../../src/db/retention.js'
import { testApp } from '../../support/app.js'
import { createAdmin, createClient, type Client } from '../../support/http/client.js'

const day = 86_400

type Page = {
  entries: { id: string; event: string; user_id: string | null }[]
  next: string | null
}

async function pageOf(admin: Client, query: Record<string, string>): Promise<Page> {
  const { status, body } = await admin.send('GET', `/api/audit?${new URLSearchParams(query)}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as unknown as Page
}

async function service(t: Test) {
  const test = await testApp(t)
  const admin = await createAdmin(test)
  const count = async () => (await test.sql('select from audit_log')).length
  return { ...test, admin, count }
}

t.test('what is written stays as it is written', async (t) => {
  const { sql } = await service(t)
  const state = () => sql('select * from audit_log order by id')
  const before = await state()
  t.ok(before.length > 0)
  const attempts = [
    `update audit_log set event = 'user.updated'`,
    `update audit_log set actor_id = null where event = 'login.succeeded'`,
    'delete from audit_log',
    'truncate audit_log',
    'truncate audit_log cascade',
    `insert into audit_log select * from audit_log on conflict (id) do update set event = 'x'`,
    // What the retention says of itself opens deletion alone.
    `do $$ begin perform set_config('gatehouse.retention', 'on', true);
       update audit_log set event = 'x'; end $$`,
    `do $$ begin perform set_config('gatehouse.retention', 'on', true);
       truncate audit_log; end $$`,
  ]
  for (const attempt of attempts) {
    await t.rejects(sql(attempt), { code: '42501', message: 'audit_log is append-only' }, attempt)
  }
  t.strictSame(await state(), before)
})

t.test('the retention removes what is older, and only that', async (t) => {
  const { db, sql, count } = await service(t)
  const recent = await count()
  await sql(`insert into audit_log (id, at, event)
    select gen_random_uuid(), now() - make_interval(days => age), 'login.failed'
    from unnest(array[29, 30, 31, 400]) as age`)
  t.equal(await prune(db, 365 * day), 1)
  t.equal(await count(), recent + 3)
  t.equal(await prune(db, 30 * day), 2)
  t.equal(await prune(db, 30 * day), 0)
  const ages = await sql<{ days: number }>(
    'select extract(day from now() - at)::integer as days from audit_log order by at limit 1',
  )
  t.strictSame(ages, [{ days: 29 }])
  t.equal(await count(), recent + 1)
  await t.rejects(sql('delete from audit_log'), /append-only/, 'nothing is left open behind it')
})

// Each unit, a part of a day, and the longest that the configuration takes.
for (const text of ['1s', '90m', '36h', '10d', '36500d']) {
  t.test(`AUDIT_RETENTION=${text} prunes what is older than that`, async (t) => {
    const { AUDIT_RETENTION: seconds } = loadConfig({ AUDIT_RETENTION: text })
    const { db, sql } = await testApp(t)
    await sql(
      `insert into audit_log (id, at, event)
       select gen_random_uuid(), now() - make_interval(secs => $1) * part, 'login.failed'
       from unnest(array[0.5, 1.5]) as part
`,
      [seconds],
    )
    t.equal(await prune(db, seconds), 1)
    t.equal((await sql('select from audit_log')).length, 1)
  })
}

t.test('the log outlives whom it names', async (t) => {
  const { app, sql, admin } = await service(t)
  const { id } = await createClient({ app })
  await admin.send('DELETE', `/api/users/${id}`)
  const events = await sql<{ event: string }>(
    'select event from audit_log where user_id = $1 order by id',
    [id],
  )
  t.strictSame(
    events.map(({ event }) => event),
    ['user.registered', 'login.succeeded', 'user.deleted'],
  )
})

t.test('the pages show each entry once, though more is written meanwhile', async (t) => {
  const { app, admin, sql } = await service(t)
  for (let at = 0; at < 8; at += 1) await createClient({ app })
  const ids = (await sql<{ id: string }>('select id from audit_log order by id desc')).map(
    ({ id }) => id,
  )
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Page = await pageOf(admin, { limit: '4', ...(cursor && { cursor }) })
    t.ok(page.entries.length <= 4)
    seen.push(...page.entries.map(({ id }) => id))
    cursor = page.next
    await createClient({ app })
  }
  t.strictSame(seen, ids, 'newest first')
})

t.test('event and user narrow the log, each alone and together', async (t) => {
  const { app, admin } = await service(t)
  const { id: user_id } = await createClient({ app })
  const event = 'login.succeeded'
  const ofEvent = await pageOf(admin, { event })
  t.ok(ofEvent.entries.length > 1 && ofEvent.entries.every((entry) => entry.event === event))
  const ofUser = await pageOf(admin, { user_id })
  t.strictSame(
    ofUser.entries.map((entry) => [entry.event, entry.user_id]),
    [
      [event, user_id],
      ['user.registered', user_id],
    ],
  )
  t.equal((await pageOf(admin, { user_id, event })).entries.length, 1)
  t.strictSame(await pageOf(admin, { user_id, event: 'user.deleted' }), {
    status: 'success',
    entries: [],
    next: null,
  })
  t.match(await admin.send('GET', '/api/audit?event=nonsense'), { code: 'validation_failed' })
})

import t, { type Test } from 'tap'
import { bearer, testApp, type TestApp } from '../../support/app.js'
import { createAdmin, type Client } from '../../support/http/client.js'

type Entry = { id: string; at: string }
type Page = { entries: Entry[]; next: string | null; total?: number }
type Query = Record<string, string>

/** Entries whose ids are in another order than their times, some of them equal but for microseconds. */
async function service(t: Test): Promise<TestApp & { admin: Client }> {
  const test = await testApp(t)
  const admin = await createAdmin(test)
  await test.sql(
    `insert into audit_log (id, event, user_agent, at)
     select gen_random_uuid(), 'login.failed', '@agent, "' || n || '"',
       timestamptz '2025-03-01T12:00:00Z' + make_interval(secs => (n % 5) * 0.000001)
     from generate_series(1, 30) as n`,
  )
  return { ...test, admin }
}

async function pageOf(admin: Client, query: Query): Promise<Page> {
  const { body, status } = await admin.send('GET', `/api/audit?${new URLSearchParams(query)}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as unknown as Page
}

async function idsOf(admin: Client, query: Query): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Page = await pageOf(admin, { ...query, ...(cursor && { cursor }) })
    if (ids.length > 500) throw new Error('the pages have no end')
    ids.push(...page.entries.map(({ id }) => id))
    cursor = page.next
  }
  return ids
}

t.test('the log is sorted by the time of its entries, in both directions', async (t) => {
  const { admin, sql } = await service(t)
  for (const [sort, order] of [
    ['at', 'at, id'],
    ['-at', 'at desc, id desc'],
  ] as const) {
    const rows = await sql<Entry>(`select id from audit_log order by ${order}`)
    for (const limit of ['4', '200']) {
      t.strictSame(
        await idsOf(admin, { sort, limit }),
        rows.map(({ id }) => id),
        `${sort} ${limit}`,
      )
    }
  }
})

t.test('a cursor belongs to its sort, and only `at` can be sorted by', async (t) => {
  const { admin } = await service(t)
  const { next } = await pageOf(admin, { sort: 'at', limit: '2' })
  const faultOf = async (query: Query) => {
    const { body, status } = await admin.send('GET', `/api/audit?${new URLSearchParams(query)}`)
    return [status, body.errors]
  }
  const same = 'Cursor must be `next` of a page with the same sort.'
  for (const query of [{ sort: '-at' }, {}]) {
    t.strictSame(await faultOf({ ...query, cursor: next ?? '' } as Query), [
      400,
      [{ field: 'cursor', message: same }],
    ])
  }
  t.strictSame(await faultOf({ sort: 'event' }), [
    400,
    [{ field: 'sort', message: 'Sort must be at or -at.' }],
  ])
  t.match(await faultOf({ created_after: '2025-02-30' }), [400, [{ field: 'created_after' }]])
})

t.test('entries of a period are found and counted, with the other filters', async (t) => {
  const { admin } = await service(t)
  const period = {
    created_after: '2025-03-01T12:00:00.000001Z',
    created_before: '2025-03-01T12:00:00.000003Z',
  }
  const page = await pageOf(admin, { ...period, total: 'true', limit: '5' })
  t.equal(page.total, 12)
  t.equal((await idsOf(admin, period)).length, 12)
  t.equal((await idsOf(admin, { ...period, event: 'login.failed', sort: '-at' })).length, 12)
  t.equal((await idsOf(admin, { ...period, event: 'login.succeeded' })).length, 0)
  const others = await pageOf(admin, { created_after: '2025-03-02', total: 'true' })
  t.equal(others.total, others.entries.length)
  t.strictSame(Object.keys(await pageOf(admin, {})), ['status', 'entries', 'next'])
})

t.test('the log as CSV has the user agents as text, and the detail as JSON', async (t) => {
  const { admin, app } = await service(t)
  const headers = { ...bearer(admin.login.access_token), accept: 'text/csv' }
  const answer = await app.inject({ url: '/api/audit?sort=at&limit=1&total=true', headers })
  t.equal(answer.headers['content-disposition'], 'attachment; filename="audit.csv"')
  t.equal(answer.headers['content-type'], 'text/csv; charset=utf-8')
  t.ok(Number(answer.headers['x-total-count']) > 30)
  const [names, row = ''] = answer.body.split('\r\n')
  t.equal(names, 'id,at,event,actor_id,user_id,address,user_agent,request_id,detail')
  t.match(row, /,2025-03-01T12:00:00\.000Z,login\.failed,,,,"'@agent, ""\d+""",,\{\}$/)
  const newest = await app.inject({ url: '/api/audit?sort=-at&event=login.succeeded', headers })
  t.match(newest.body, /,"\{""session"":""[0-9a-f-]{36}""\}"\r\n/)
})

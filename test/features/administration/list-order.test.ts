import t, { type Test } from 'tap'
import { accountSorts } from '../../../src/features/administration/schemas.js'
import { bearer, testApp, type TestApp } from '../../support/app.js'
import { createAdmin, type Client } from '../../support/http/client.js'
import { sentStatements } from '../../support/sent-statements.js'

type User = { id: string; username: string | null; email: string | null }
type Page = { users: User[]; next: string | null; total?: number; total_is_more?: boolean }
type Query = Record<string, string>

const sorts = Object.keys(accountSorts).flatMap((name) => [name, `-${name}`])

async function service(t: Test): Promise<TestApp & { admin: Client }> {
  const test = await testApp(t, { env: { PUBLIC_URL: 'https://auth.example.org' } })
  return { ...test, admin: await createAdmin(test) }
}

/** Users with equal times and without values, apart in microseconds and in the case of their addresses. */
async function addPeople({ sql }: TestApp): Promise<void> {
  await sql(
    `insert into users (id, username, username_canonical, email, email_canonical, created_at, last_login_at)
     select gen_random_uuid(), 'u' || n, 'u' || n,
       case when n % 3 > 0 then case when n % 2 = 0 then 'B' else 'a' end || n || '@example.org' end,
       case when n % 3 > 0 then case when n % 2 = 0 then 'b' else 'a' end || n || '@example.org' end,
       timestamptz '2025-03-01T12:00:00Z' + make_interval(secs => (n % 5) * 0.000001),
       case when n % 4 > 0 then timestamptz '2025-04-01T12:00:00Z' + make_interval(secs => (n % 7) * 0.000001) end
     from generate_series(1, 40) as n`,
  )
}

async function pageOf(admin: Client, query: Query): Promise<Page> {
  const { body, status } = await admin.send('GET', `/api/users?${new URLSearchParams(query)}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as unknown as Page
}

async function allOf(admin: Client, query: Query): Promise<User[]> {
  const all: User[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Page = await pageOf(admin, { ...query, ...(cursor && { cursor }) })
    if (all.length > 500) throw new Error('the pages have no end')
    all.push(...page.users)
    cursor = page.next
  }
  return all
}

const faultsOf = async (admin: Client, query: Query | string) => {
  const { body, status } = await admin.send('GET', `/api/users?${new URLSearchParams(query)}`)
  t.equal(status, 400, JSON.stringify(query))
  return body.errors
}

const expected: Record<string, string> = {
  created_at: 'created_at, id',
  email: 'email_canonical nulls first, id',
  last_login_at: 'at, id',
  '-created_at': 'created_at desc, id desc',
  '-email': 'email_canonical desc nulls last, id desc',
  '-last_login_at': 'at desc, id desc',
}

t.test('each sort shows each user once, in order, whatever the length of a page', async (t) => {
  const test = await service(t)
  const { admin, sql } = test
  await addPeople(test)
  for (const sort of sorts) {
    const ids = (
      await sql<User>(
        `select id from users join last_logins on user_id = id order by ${expected[sort]}`,
      )
    ).map(({ id }) => id)
    for (const limit of ['1', '7', '41', '200']) {
      const found = await allOf(admin, { sort, limit })
      t.strictSame(
        found.map(({ id }) => id),
        ids,
        `${sort} ${limit}`,
      )
    }
  }
})

t.test('a user who is deleted or changed between two pages takes no other off', async (t) => {
  const test = await service(t)
  const { admin, sql } = test
  await addPeople(test)
  for (const sort of sorts) {
    const whole = await allOf(admin, { sort })
    const first = await pageOf(admin, { sort, limit: '5' })
    await sql('delete from users where id = $1', [first.users.at(-1)?.id])
    const second = await pageOf(admin, { sort, limit: '200', cursor: first.next ?? '' })
    t.strictSame(second.users, whole.slice(5), sort)
  }
})

t.test('each sort reads an index, at the beginning and in the middle', async (t) => {
  const test = await service(t)
  const { admin, sql } = test
  await sql(
    `insert into users (id, email, email_canonical, created_at)
     select gen_random_uuid(), n || '@example.org', n || '@example.org', now() - make_interval(mins => n)
     from generate_series(1, 5000) as n`,
  )
  await sql('analyze users, last_logins')
  const all = sentStatements(t)
  for (const sort of sorts) {
    const { next } = await pageOf(admin, { sort, limit: '10' })
    await pageOf(admin, { sort, limit: '10', cursor: next ?? '' })
  }
  const sent = all.filter(({ text }) => /^select .*sort_key/s.test(text))
  t.equal(sent.length, 2 * sorts.length)
  for (const { text, values } of sent) {
    const plan = await sql(`explain (costs off) ${text}`, values)
    const lines = plan.map((row) => String(row['QUERY PLAN'])).join('\n')
    t.match(
      lines,
      /Index (Only )?Scan (Backward )?using (users_created_at|users_email_order|last_logins_at)_idx/,
    )
    t.notMatch(lines, /Sort Key: users\.|Seq Scan on (users|last_logins)/, lines)
  }
})

t.test('a cursor belongs to its sort', async (t) => {
  const test = await service(t)
  const { admin } = test
  await addPeople(test)
  const same = [{ field: 'cursor', message: 'Cursor must be `next` of a page with the same sort.' }]
  const cursors = new Map<string | undefined, string>()
  for (const sort of [undefined, ...sorts]) {
    const { next } = await pageOf(admin, { ...(sort && { sort }), limit: '3' })
    cursors.set(sort, next ?? '')
  }
  for (const sort of [undefined, ...sorts]) {
    for (const [other, cursor] of cursors) {
      if (other === sort) continue
      t.strictSame(await faultsOf(admin, { ...(sort && { sort }), cursor }), same)
    }
  }
})

t.test('a cursor that a client made up is refused', async (t) => {
  const { admin } = await service(t)
  const id = admin.id
  const encoded = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')
  const time = '2025-03-01T12:00:00.000000Z'
  const rows: [sort: string, cursor: string][] = [
    ['created_at', encoded('created_at', 'yesterday', id)],
    ['created_at', encoded('created_at', '2025-02-30T12:00:00.000000Z', id)],
    ['created_at', encoded('created_at', '2025-03-01T12:00:00+23:59', id)],
    ['created_at', encoded('created_at', 'infinity', id)],
    ['created_at', encoded('created_at', 12, id)],
    ['created_at', encoded('created_at', time, 'x')],
    ['created_at', encoded('created_at', time, null)],
    ['created_at', encoded('created_at', time)],
    ['created_at', encoded()],
    ['created_at', Buffer.from('{"0":"created_at"}').toString('base64url')],
    ['created_at', 'AAAA'],
    ['email', encoded('email', 'a\0b', id)],
    ['email', encoded('email', ['a'], id)],
    ['email', Buffer.from(`["email","\\ud800","${id}"]`).toString('base64url')],
  ]
  for (const [sort, cursor] of rows) {
    t.match(await faultsOf(admin, { sort, cursor }), [{ field: 'cursor' }], cursor)
  }
  const good = await admin.send(
    'GET',
    `/api/users?sort=created_at&cursor=${encoded('created_at', time, id)}`,
  )
  t.equal(good.status, 200)
  const malformed = 'Cursor must be an id such as 0192f3a4-5b6c-7d8e-9f01-23456789abcd.'
  for (const cursor of ['', 'x', 'x y', 'x'.repeat(2001), `${id}0`]) {
    t.strictSame(await faultsOf(admin, { cursor }), [{ field: 'cursor', message: malformed }])
  }
})

t.test('created_after is inclusive and created_before is exclusive', async (t) => {
  const { admin, sql } = await service(t)
  const times = ['2025-01-31T23:59:59.999999Z', '2025-02-01', '2025-02-01T00:00:00.000001Z']
  for (const [at, time] of [...times, '2025-02-02'].entries()) {
    await sql(
      `insert into users (id, username, username_canonical, created_at, last_login_at)
       values (gen_random_uuid(), $1, $1, $2, $2)`,
      [`u${String(at)}`, `${time}${time.includes('T') ? '' : 'T00:00:00Z'}`],
    )
  }
  await sql(`insert into users (id, username, username_canonical, created_at)
    values (gen_random_uuid(), 'never', 'never', '2020-01-01Z')`)
  const rows: [query: Query, names: string[]][] = [
    [{ created_after: '2025-02-01', created_before: '2025-02-02' }, ['u1', 'u2']],
    [{ created_after: '2025-02-01T00:00:00.000001Z', created_before: '2025-03-01' }, ['u2', 'u3']],
    [{ created_after: '2025-02-01T01:00:00+01:00', created_before: '2025-02-02' }, ['u1', 'u2']],
    [{ created_before: '2025-02-01' }, ['never', 'u0']],
    [{ created_before: '2025-02-01', created_after: '2025-02-01' }, []],
    [{ last_login_after: '2025-02-01', last_login_before: '2025-02-02' }, ['u1', 'u2']],
    [{ last_login_before: '2025-02-01' }, ['u0']],
    [{ last_login_before: '2025-02-02', created_after: '2025-02-01', search: '2' }, ['u2']],
  ]
  for (const [query, names] of rows) {
    for (const sort of [{}, { sort: '-last_login_at' }] as Query[]) {
      const { users } = await pageOf(admin, { ...query, ...sort })
      t.strictSame(users.map(({ username }) => username).sort(), names, JSON.stringify(query))
    }
  }
})

t.test('a bad parameter is a fault of its field, which names what is allowed', async (t) => {
  const { admin } = await service(t)
  const time = 'must be a date or a time such as 2026-01-31 or 2026-01-31T12:00:00Z.'
  const allowed = 'created_at, -created_at, email, -email, last_login_at, or -last_login_at'
  const rows: [query: Query, field: string, message: string][] = [
    [{ sort: 'password_hash' }, 'sort', `Sort must be ${allowed}.`],
    [{ sort: 'email; drop table users' }, 'sort', `Sort must be ${allowed}.`],
    [{ sort: '--email' }, 'sort', `Sort must be ${allowed}.`],
    [{ sort: '' }, 'sort', `Sort must be ${allowed}.`],
    [{ total: 'yes' }, 'total', 'Total must be true or false.'],
    [{ created_after: 'yesterday' }, 'created_after', `Created after ${time}`],
    [{ created_before: '2025-02-30' }, 'created_before', `Created before ${time}`],
    [{ last_login_after: '2025-02-01T12:00:00' }, 'last_login_after', `Last login after ${time}`],
    [{ last_login_before: '0000-01-01' }, 'last_login_before', `Last login before ${time}`],
  ]
  for (const [query, field, message] of rows) {
    t.strictSame(await faultsOf(admin, query), [{ field, message }])
  }
  t.strictSame(await faultsOf(admin, 'sort=email&sort=email'), [
    { field: 'sort', message: 'Sort must not be repeated.' },
  ])
})

t.test('total counts the users of all pages, and stops at 10,000', async (t) => {
  const test = await service(t)
  const { admin, sql } = test
  await addPeople(test)
  t.match(await pageOf(admin, { total: 'true', limit: '5' }), { total: 41, total_is_more: false })
  const { next } = await pageOf(admin, { sort: 'email', limit: '5' })
  const second = { sort: 'email', limit: '5', cursor: next ?? '' }
  t.match(await pageOf(admin, { ...second, total: 'true' }), { total: 41 })
  t.match(await pageOf(admin, { total: 'true', search: 'u1' }), { total: 11 })
  t.match(await pageOf(admin, { total: 'true', created_before: '2020-01-01' }), { total: 0 })
  for (const query of [{}, { total: 'false' }] as Query[]) {
    t.strictSame(Object.keys(await pageOf(admin, query)), ['status', 'users', 'next'])
  }
  await sql(`insert into users (id, username, username_canonical)
    select gen_random_uuid(), 'many' || n, 'many' || n from generate_series(1, 9959) as n`)
  t.match(await pageOf(admin, { total: 'true' }), { total: 10_000, total_is_more: false })
  await sql(`insert into users (id, username, username_canonical)
    values (gen_random_uuid(), 'one-more', 'one-more')`)
  t.match(await pageOf(admin, { total: 'true' }), { total: 10_000, total_is_more: true })
})

t.test('without total no count is run', async (t) => {
  const { admin } = await service(t)
  const sent = sentStatements(t)
  const counts = () => sent.filter(({ text }) => text.includes('count(*)::integer')).length
  await pageOf(admin, { sort: 'email', limit: '1' })
  t.equal(counts(), 0)
  await pageOf(admin, { total: 'true' })
  t.equal(counts(), 1)
})

t.test('Link leads to the next page, with the same query', async (t) => {
  const test = await service(t)
  const { admin, app } = test
  await addPeople(test)
  const query = { search: 'u1', sort: '-email', limit: '4' }
  const whole = await allOf(admin, { search: 'u1', sort: '-email' })
  const headers = bearer(admin.login.access_token)
  const found: User[] = []
  let url: string | undefined = `/api/users?${new URLSearchParams(query)}`
  while (url !== undefined) {
    const answer: Awaited<ReturnType<typeof app.inject>> = await app.inject({ url, headers })
    found.push(...answer.json<Page>().users)
    const link: string | undefined = answer.headers.link as string | undefined
    if (link !== undefined) {
      t.match(link, /^<https:\/\/auth\.example\.org\/api\/users\?[^>]*>; rel="next"$/)
    }
    url = link?.slice(1, link.indexOf('>')).replace('https://auth.example.org', '')
  }
  t.strictSame(found, whole)
})

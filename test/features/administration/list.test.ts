import t from 'tap'
import { testApp, type TestApp } from '../../support/app.js'
import { createAdmin, type Client } from '../../support/http/client.js'

type Page = {
  users: { id: string; name: string | null; disabled_at: string | null }[]
  next: string | null
}

const pageOf = async (admin: Client, query: Record<string, string> = {}): Promise<Page> => {
  const { body, status } = await admin.send('GET', `/api/users?${new URLSearchParams(query)}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as unknown as Page
}

const namesOf = async (admin: Client, query: Record<string, string>) =>
  (await pageOf(admin, query)).users.map(({ name }) => name).sort()

let users = 0
async function add(admin: Client, fields: Record<string, unknown>): Promise<string> {
  const payload = { email: `person-${++users}@example.net`, ...fields }
  const { status, body } = await admin.send('POST', '/api/users', payload)
  if (status !== 201) throw new Error(JSON.stringify(body))
  return (body.user as { id: string }).id
}

async function service(t: Parameters<typeof testApp>[0]): Promise<TestApp & { admin: Client }> {
  const test = await testApp(t)
  return { ...test, admin: await createAdmin(test) }
}

t.test('a search finds a part of any name, address or number, in any case', async (t) => {
  const { admin } = await service(t)
  await add(admin, { name: 'Ada Lovelace', username: 'Countess' })
  await add(admin, { name: 'Grace Hopper', email: 'Amazing@Navy.example' })
  await add(admin, { name: 'Katherine', mobile: '+1 (757) 864-1000' })
  await add(admin, { name: 'Émilie', username: 'Châtelet' })
  const rows: [search: string, names: string[]][] = [
    ['LOVE', ['Ada Lovelace']],
    ['a l', ['Ada Lovelace']],
    ['count', ['Ada Lovelace']],
    ['aMaZing@nav', ['Grace Hopper']],
    ['navy.EXAMPLE', ['Grace Hopper']],
    ['17578641', ['Katherine']],
    ['Émil', ['Émilie']],
    ['CHÂTEL', ['Émilie']],
    ['nobody', []],
    ['hopper lovelace', []],
  ]
  for (const [search, names] of rows) t.strictSame(await namesOf(admin, { search }), names, search)
})

t.test('what means something in a pattern is only a letter in a search', async (t) => {
  const { admin } = await service(t)
  for (const name of ['100% sure', '100x sure', 'snake_case', 'snakeXcase', 'C:\\dir', 'C:dir']) {
    await add(admin, { name })
  }
  const rows: [search: string, names: string[]][] = [
    ['100%', ['100% sure']],
    ['%', ['100% sure']],
    ['0%s', []],
    ['snake_', ['snake_case']],
    ['e_c', ['snake_case']],
    ['\\', ['C:\\dir']],
    [':\\d', ['C:\\dir']],
    ['\\%', []],
    ["' or 1=1 --", []],
  ]
  for (const [search, names] of rows) t.strictSame(await namesOf(admin, { search }), names, search)
})

t.test('role and state narrow the list, each alone and together', async (t) => {
  const { admin, sql } = await service(t)
  await sql(`insert into roles values ('editor')`)
  const active = await add(admin, { name: 'active', roles: ['editor'] })
  await sql('update users set activated_at = now() where id = $1', [active])
  await add(admin, { name: 'pending', roles: ['editor'] })
  const disabled = await add(admin, { name: 'disabled' })
  await admin.send('POST', `/api/users/${disabled}/disable`)
  const rows: [query: Record<string, string>, names: (string | null)[]][] = [
    [{ state: 'active' }, ['active', null]],
    [{ state: 'pending' }, ['pending']],
    [{ state: 'disabled' }, ['disabled']],
    [{ role: 'editor' }, ['active', 'pending']],
    [{ role: 'admin' }, [null]],
    [{ role: 'nobody' }, []],
    [{ role: 'editor', state: 'pending' }, ['pending']],
    [{ role: 'editor', state: 'disabled' }, []],
    [{ role: 'editor', search: 'act' }, ['active']],
  ]
  for (const [query, names] of rows) {
    t.strictSame(await namesOf(admin, query), names, JSON.stringify(query))
  }
})

t.test('an administrator sees when, and nothing that is secret', async (t) => {
  const { admin } = await service(t)
  const { users } = await pageOf(admin)
  t.match(users[0], { id: admin.id, email_verified_at: null, disabled_at: null, active: true })
  t.notMatch(JSON.stringify(users), /password|hash|canonical|epoch|argon2/)
})

t.test('the pages show each user once, though others are added meanwhile', async (t) => {
  const { admin } = await service(t)
  const ids = [admin.id]
  for (let at = 0; at < 22; at += 1) ids.push(await add(admin, {}))
  const seen: string[] = []
  let cursor: string | null = ''
  let pages = 0
  while (cursor !== null) {
    const page: Page = await pageOf(admin, { limit: '5', ...(cursor && { cursor }) })
    t.equal(page.users.length <= 5, true)
    seen.push(...page.users.map(({ id }) => id))
    cursor = page.next
    pages += 1
    await add(admin, {})
  }
  t.equal(pages, 5)
  t.strictSame(seen, ids.reverse(), 'newest first, none twice, none left out')
})

t.test('a user who goes takes no other one off the next page', async (t) => {
  const { admin } = await service(t)
  const ids = [admin.id]
  for (let at = 0; at < 5; at += 1) ids.push(await add(admin, {}))
  ids.reverse()
  const first = await pageOf(admin, { limit: '3' })
  t.equal(first.next, ids[2])
  for (const id of ids.slice(0, 3)) await admin.send('DELETE', `/api/users/${id}`)
  const second = await pageOf(admin, { limit: '3', cursor: first.next ?? '' })
  t.strictSame(
    second.users.map(({ id }) => id),
    ids.slice(3),
  )
  t.equal(second.next, null)
})

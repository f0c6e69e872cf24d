import t, { type Test } from 'tap'
import { testApp, type TestApp } from '../../support/app.js'
import { rounds } from '../../support/rounds.js'
import {
  again,
  createAdmin,
  createClient,
  type Client,
  type Reply,
} from '../../support/http/client.js'

/** What an administrator does to the other one, or to themselves. */
const acts = {
  demote: (by: Client, other: Client) => by.send('DELETE', `/api/users/${other.id}/roles/admin`),
  disable: (by: Client, other: Client) => by.send('POST', `/api/users/${other.id}/disable`),
  delete: (by: Client, other: Client) => by.send('DELETE', `/api/users/${other.id}`),
  leave: ({ send, account: { password } }: Client) => send('DELETE', '/api/user', { password }),
  stepDown: (by: Client) => acts.demote(by, by),
  disableOneself: (by: Client) => acts.disable(by, by),
  deleteOneself: (by: Client) => acts.delete(by, by),
}
type Act = keyof typeof acts

const attempt = (act: Act, by: Client): Promise<Reply> => acts[act](by, by)

const pairs: [one: Act, other: Act, times: number][] = [
  ['demote', 'demote', 100],
  ['disable', 'disable', 50],
  ['delete', 'delete', 50],
  ['leave', 'leave', 50],
  ['stepDown', 'stepDown', 25],
  ['disableOneself', 'disableOneself', 25],
  ['demote', 'disable', 25],
  ['disable', 'delete', 25],
  ['delete', 'leave', 25],
  ['leave', 'stepDown', 25],
  ['deleteOneself', 'disableOneself', 25],
]

// Who comes too late is no administrator any more, or not logged in, or the other is not there.
const refusals = [
  ...['last_admin', 'forbidden', 'invalid_token', 'token_stale'],
  ...['not_found', 'invalid_credentials'],
]

const isEnabled = 'activated_at is not null and disabled_at is null'
const adminsOf = async ({ db }: TestApp) => {
  const { rows } = await db.query<{ id: string }>(
    `select id from users join user_roles on user_id = id where role = 'admin' and ${isEnabled}`,
  )
  return rows
}

/** The two of them in charge again, each on their own instance; in the place of who is gone somebody new. */
async function restore(instances: [TestApp, TestApp], clients: [Client, Client]) {
  const [first, second] = instances
  const { sql } = first
  const enable = `update users set disabled_at = null where id = $1 returning id`
  for (const place of [0, 1] as const) {
    const { id } = clients[place]
    if ((await sql(enable, [id])).length === 0) clients[place] = await createAdmin(first)
    else await sql(`insert into user_roles values ($1, 'admin') on conflict do nothing`, [id])
  }
  return Promise.all([again(first, clients[0]), again(second, clients[1])])
}

async function createPair(t: Test) {
  const first = await testApp(t)
  const second = await testApp(t, { url: first.url })
  const clients: [Client, Client] = [await createAdmin(first), await createAdmin(first)]
  return { first, restored: () => restore([first, second], clients) }
}

t.test('two administrators who go for each other at once never leave nobody', async (t) => {
  const { first, restored } = await createPair(t)
  for (const [one, other, times] of pairs) {
    await t.test(`${one} and ${other}, ${rounds(times)} times`, async (t) => {
      const tries = rounds(times)
      const codes = new Set<string | undefined>()
      for (let round = 0; round < tries; round += 1) {
        const [ada, grace] = await restored()
        const replies = await Promise.all([acts[one](ada, grace), acts[other](grace, ada)])
        const left = await adminsOf(first)
        const said = replies.map(({ status, code }) => code ?? status)
        t.ok(left.length === 1 || left.length === 2, `${left.length} left: ${said.join()}`)
        t.ok(said.includes(200), `one of them succeeds: ${said.join()}`)
        t.ok(
          said.every((word) => word === 200 || refusals.includes(String(word))),
          said.join(),
        )
        for (const { code } of replies) codes.add(code)
      }
      // What takes longer on one side may always come too late.
      if (one === other && tries >= 25) t.ok(codes.has('last_admin'), 'they did meet')
    })
  }
})

t.test('who is alone in charge stays, whatever they try', async (t) => {
  const service = await testApp(t)
  const { sql } = service
  const admin = await createAdmin(service)
  await createClient(service)
  const disabled = await createAdmin(service)
  const pending = await createAdmin(service)
  t.equal((await admin.send('POST', `/api/users/${disabled.id}/disable`)).status, 200)
  await sql('update users set activated_at = null where id = $1', [pending.id])
  const tries: Act[] = ['stepDown', 'disableOneself', 'deleteOneself', 'leave']
  const state = () =>
    sql('select *, array(select s from sessions s order by id) from users order by id')
  const before = await state()
  for (const act of tries) {
    t.match(await attempt(act, admin), { status: 409, code: 'last_admin' }, act)
    t.strictSame(await adminsOf(service), [{ id: admin.id }], act)
  }
  t.strictSame(await state(), before)
  t.equal((await admin.send('GET', '/api/users')).status, 200, 'the token is still good')
  const events = await sql<{ event: string }>('select event from audit_log where user_id = $1', [
    admin.id,
  ])
  t.notOk(events.some(({ event }) => /revoked|disabled|deleted/.test(event)))
})

t.test('a second administrator who can log in makes the first one free to go', async (t) => {
  for (const act of ['stepDown', 'disableOneself', 'deleteOneself', 'leave'] as const) {
    const service = await testApp(t)
    const admin = await createAdmin(service)
    const second = await createAdmin(service)
    await admin.send('POST', `/api/users/${second.id}/disable`)
    t.equal((await attempt(act, admin)).code, 'last_admin', act)
    await admin.send('POST', `/api/users/${second.id}/enable`)
    t.equal((await attempt(act, admin)).status, 200, act)
    t.strictSame(await adminsOf(service), [{ id: second.id }], act)
  }
})

t.test('the only administrator may lose any other role', async (t) => {
  const service = await testApp(t)
  const admin = await createAdmin(service)
  t.equal((await admin.send('DELETE', `/api/users/${admin.id}/roles/user`)).status, 200)
  t.equal((await admin.send('DELETE', `/api/users/${admin.id}/roles/admin`)).code, 'token_stale')
  const { send, id } = await again(service, admin)
  t.equal((await send('DELETE', `/api/users/${id}/roles/admin`)).code, 'last_admin')
  t.equal((await send('DELETE', '/api/roles/admin')).code, 'built_in_role')
})

import t from 'tap'
import { bearer, listeningApp, testApp, type TestApp } from '../../support/app.js'
import { createAdmin } from '../../support/http/client.js'
import { addClient, isActive, tokenOf } from '../../support/oauth.js'
import { until } from '../../support/until.js'
import { startVerifier } from '../../support/verifier.js'

const answerOf = async ({ app }: TestApp, token: string, url = '/forward-auth/role/reader') => {
  const answer = await app.inject({ url, headers: bearer(token) })
  return { status: answer.statusCode, code: answer.body && answer.json<{ code: string }>().code }
}

const passed = { status: 200, code: '' }
const stale = { status: 401, code: 'token_stale' }

t.test('a deleted role is gone from the tokens of clients when that is answered', async (t) => {
  const service = await listeningApp(t)
  const other = await testApp(t, { url: service.url })
  const { login } = await createAdmin(service)
  await service.sql(`insert into roles values ('reader')`)
  const client = await addClient(service, 'reports', ['reader', 'user'])
  const unconcerned = await addClient(service, 'other', ['user'])
  const token = await tokenOf(service.app, client)
  const kept = await tokenOf(service.app, unconcerned)
  const verifier = startVerifier(t, service.origin)
  await verifier.ready
  for (const one of [service, other]) t.same(await answerOf(one, token), passed)
  t.equal(await verifier.verdict(token), 'good')

  const headers = bearer(login.access_token)
  const deleted = await service.app.inject({ method: 'DELETE', url: '/api/roles/reader', headers })
  t.equal(deleted.statusCode, 200)
  t.same(await answerOf(service, token), stale)
  t.same(await answerOf(service, token, '/forward-auth/role/user'), stale)
  t.notOk(await isActive(service.app, client, token))
  const isStale = async () => (await answerOf(other, token)).code === 'token_stale'
  await until(isStale, 'another instance to hear of it')
  const isRefused = async () => (await verifier.verdict(token)) === 'token_stale'
  await until(isRefused, 'a verifier to hear of it')

  const next = await tokenOf(service.app, client)
  t.same(await answerOf(service, next), { status: 403, code: 'forbidden' })
  for (const one of [next, kept]) {
    t.same(await answerOf(service, one, '/forward-auth/role/user'), passed)
  }
  await service.sql(`insert into roles values ('reader')`)
  t.same(await answerOf(service, token), stale, 'nor does a new role of that name bring it back')
})

t.test(
  'a role that is taken from a client is gone from its tokens, whoever does that',
  async (t) => {
    const service = await testApp(t)
    await service.sql(`insert into roles values ('reader'), ('writer')`)
    const edits = [
      `delete from client_roles where role = 'reader'`,
      `update client_roles set role = 'writer' where role = 'reader'`,
      `delete from roles where name = 'reader'`,
    ]
    for (const [nth, edit] of edits.entries()) {
      const client = await addClient(service, `client-${nth}`, ['reader'])
      const token = await tokenOf(service.app, client)
      t.same(await answerOf(service, token), passed)
      await service.sql(edit)
      const isStale = async () => (await answerOf(service, token)).code === 'token_stale'
      await until(isStale, edit)
      await service.sql(`insert into roles values ('reader') on conflict do nothing`)
      t.notSame(await answerOf(service, await tokenOf(service.app, client)), passed)
    }
  },
)

t.test(
  'roles are deleted while clients are removed, and neither waits for the other',
  async (t) => {
    const service = await testApp(t)
    const { login } = await createAdmin(service)
    for (let nth = 0; nth < 5; nth += 1) {
      await service.sql(`insert into roles values ('a'), ('b')`)
      await addClient(service, 'one', ['a', 'b'])
      await addClient(service, 'two', ['b', 'a'])
      const remove = (role: string) =>
        service.app.inject({
          method: 'DELETE',
          url: `/api/roles/${role}`,
          headers: bearer(login.access_token),
        })
      const [a, b] = await Promise.all([
        remove('a'),
        remove('b'),
        service.sql(`delete from clients where name = 'one'`),
        service.sql(`delete from clients where name = 'two'`),
      ])
      t.same([a.statusCode, b.statusCode], [200, 200])
    }
  },
)

t.test('an epoch of a client is of its time, so that two histories share none', async (t) => {
  const service = await testApp(t)
  await addClient(service, 'reports', ['user'])
  await service.sql('delete from client_roles')
  const [row] = await service.sql<{ epoch: number }>('select epoch from clients')
  const seconds = (Date.now() - Date.UTC(2025, 0)) / 1_000
  t.ok(Math.abs((row?.epoch ?? 0) - seconds) < 60, `${row?.epoch}`)
})

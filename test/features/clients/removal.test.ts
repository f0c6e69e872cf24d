import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bearer, testApp, type TestApp } from '../../support/app.js'
import { addClient, claimsOf, isActive, post, removeClient, tokenOf } from '../../support/oauth.js'
import { until } from '../../support/until.js'

const statusOf = async (app: TestApp['app'], token: string) =>
  (await app.inject({ url: '/api/users', headers: bearer(token) })).statusCode

t.test('a client that is removed is out at once, with all of its tokens', async (t) => {
  const service = await testApp(t)
  const { app, sql, url } = service
  const { app: instance } = await testApp(t, { url })
  const client = await addClient(service, 'reports', ['admin'])
  const other = await addClient(service, 'other', ['admin'])
  const tokens = [await tokenOf(app, client), await tokenOf(instance, client)]
  const kept = await tokenOf(app, other)
  for (const token of tokens) t.equal(await statusOf(app, token), 200)

  await removeClient(service, 'reports')
  for (const token of tokens) {
    const end = Date.now() + 5_000
    // The command line removes it: both instances are told.
    for (const one of [app, instance]) {
      while ((await statusOf(one, token)) !== 401 && Date.now() < end) await sleep(10)
      t.equal(await statusOf(one, token), 401)
    }
    t.notOk(await isActive(app, other, token))
  }
  const answer = await post(app, 'token', { grant_type: 'client_credentials' }, client)
  t.equal(answer.statusCode, 401)
  t.equal((await post(app, 'introspect', { token: kept }, client)).statusCode, 401)
  t.equal(await statusOf(app, kept), 200, 'another client is not concerned')
  t.strictSame(await sql('select from client_roles'), [{}])
  // Its row is gone, and its id is denied: an instance learns of it by either.
  const { sub } = claimsOf(tokens[0] ?? '')
  t.equal((await sql('select from token_denylist where id = $1', [sub])).length, 1)
})

t.test('who takes the name of a client that was removed is another', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service, 'reports', ['admin'])
  const token = await tokenOf(app, client)
  await removeClient(service, 'reports')
  const next = await addClient(service, 'reports', ['admin'])
  t.equal(await statusOf(app, token), 401, 'the old token is as dead as it was')
  t.equal(await statusOf(app, await tokenOf(app, next)), 200)
  const answer = await post(app, 'introspect', { token }, client)
  t.equal(answer.statusCode, 401, 'and the old secret is wrong')
})

t.test('a token ends with its client, and where it is denied, whoever does that', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const token = await tokenOf(app, await addClient(service, 'reports', ['admin']))
  t.equal(await statusOf(app, token), 200)
  const [row] = await sql<{ id: string }>('select id from clients')
  await sql(`insert into token_denylist values ($1, now() + interval '1 hour')`, [row?.id])
  await until(async () => (await statusOf(app, token)) === 401, 'the denial to be heard of')
  const other = await tokenOf(app, await addClient(service, 'others', ['admin']))
  await sql('delete from clients')
  await until(async () => (await statusOf(app, other)) === 401, 'the removal to be heard of')
})

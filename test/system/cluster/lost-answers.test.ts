import t from 'tap'
import { cluster, logins, verify, type Login } from '../../support/cluster.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { refreshClients } from '../../support/refresh-clients.js'
import { post, type ServerProcess } from '../../support/server-process.js'
import { tcpProxy } from '../../support/tcp-proxy.js'
import { until } from '../../support/until.js'

t.test('100 answers to a refresh are lost: who asks again goes on', async (t) => {
  const url = await testDatabase(t)
  const [server] = (await cluster(t, [{ DATABASE_URL: url }])) as [ServerProcess]
  const link = await tcpProxy(t, server.origin)
  const all = await logins(server, 10, 10)
  let lost = 0
  // The server answers once it has committed: its answer gets as far as here.
  link.onAnswer((_chunk, cut) => {
    lost += 1
    cut()
    return false
  })
  for (const { refresh_token } of all) {
    await t.rejects(post(`${link.url}/api/refresh`, { refresh_token }))
  }
  t.equal(lost, 100)
  t.match(await queryAt(url, 'select distinct generation from sessions'), [{ generation: 1 }])

  const claims = ({ refresh_token }: Login) =>
    JSON.parse(Buffer.from(refresh_token.split('.')[1] ?? '', 'base64url').toString()) as object
  for (const login of all) {
    const payload = { refresh_token: login.refresh_token }
    const [again, third] = [
      await post<Login>(`${server.origin}/api/refresh`, payload),
      await post<Login>(`${server.origin}/api/refresh`, payload),
    ]
    t.same([again.status, third.status], [200, 200])
    t.match(claims(again.body), { gen: 1 })
    t.same(claims(again.body), claims(third.body), 'the same successor')
    t.equal((await verify(server, again.body)).status, 200)
  }
})

t.test('clients that refresh in parallel and lose answers have one lineage each', async (t) => {
  const size = { sessions: 40, rounds: 2, parallel: 8, instances: 2 }
  await refreshClients(t, { ...size, seed: 3 }) // test/long/refresh.test.ts has more
})

t.test('the database commits a logout and its answer is lost: 503, and yet it holds', async (t) => {
  const url = await testDatabase(t)
  const link = await tcpProxy(t, url)
  const env = { DATABASE_URL: link.url, DATABASE_LISTEN_URL: url, DENYLIST_SYNC: 'listen' }
  const [server] = (await cluster(t, [env])) as [ServerProcess]
  const all = await logins(server, 5, 4)
  // The statement of a logout, which is a commit too.
  const commit = Buffer.from('INSERT 0 1\0')
  for (const login of all) {
    let isCut = false
    link.onAnswer((chunk, cut) => {
      if (isCut || !chunk.includes(commit)) return true
      isCut = true
      cut()
      return false
    })
    const authorization = `Bearer ${login.access_token}`
    const answer = await post(`${server.origin}/api/logout`, {}, { authorization })
    t.equal(answer.status, 503)
    t.ok(answer.headers.get('retry-after'))
    link.onAnswer(undefined)
    await until(async () => (await verify(server, login)).status === 401, 'the logout to hold')
    t.equal((await post(`${server.origin}/api/logout`, {}, { authorization })).status, 401)
  }
  t.same(await queryAt(url, 'select id from sessions'), [])
})

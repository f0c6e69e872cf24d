import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cluster, inParallel, logins, verify, type Login } from '../../support/cluster.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { post, type Answer, type ServerProcess } from '../../support/server-process.js'

async function twoInstances(t: Test, env: Record<string, string> = {}) {
  const url = await testDatabase(t)
  const both = await cluster(t, [
    { DATABASE_URL: url, ...env },
    { DATABASE_URL: url, ...env },
  ])
  return { url, both: both as [ServerProcess, ServerProcess] }
}

async function refresh(server: ServerProcess, login: Login): Promise<Answer<Login>> {
  const { refresh_token } = login
  const answer = await post<Login>(`${server.origin}/api/refresh`, { refresh_token })
  const isBusy = answer.status === 503 && answer.headers.has('retry-after')
  return isBusy ? refresh(server, login) : answer // a slow machine
}

/** Which session a token is of, and its place in it. */
function placeOf({ refresh_token }: Login): { sid: string; gen: number } {
  const [, payload = ''] = refresh_token.split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sid: string; gen: number }
}

t.test('500 tokens, each used 20 times at once on two instances, are 500 steps', async (t) => {
  const { url, both } = await twoInstances(t)
  const [here, there] = both
  const all = await logins(here, 20, 25)
  const successors = await inParallel(
    all.length,
    async (at) => {
      const uses = Array.from({ length: 20 }, (_, use) => (use % 2 === 0 ? here : there))
      return Promise.all(uses.map((server) => refresh(server, all[at] as Login)))
    },
    2,
  )
  const statuses = new Set(successors.flat().map(({ status }) => status))
  t.same(statuses, new Set([200]), 'no use is refused, and none fails')
  const lineages = successors.map(
    (answers) => new Set(answers.map(({ body }) => JSON.stringify(placeOf(body)))),
  )
  t.ok(
    lineages.every(({ size }) => size === 1),
    'all uses of one get the same successor',
  )
  t.equal(new Set(lineages.flatMap((lineage) => [...lineage])).size, 500)
  t.match(
    await queryAt(url, 'select count(*)::integer, min(generation), max(generation) from sessions'),
    [{ count: 500, min: 1, max: 1 }],
  )
  const last = await inParallel(all.length, async (at) => {
    const { body } = successors[at]?.[19] as Answer<Login>
    return [(await verify(there, body)).status, (await refresh(here, body)).status]
  })
  t.same(new Set(last.flat()), new Set([200]), 'nobody was logged out')
})

t.test('200 tokens that come back after the grace end 200 sessions', async (t) => {
  const { url, both } = await twoInstances(t, { REFRESH_GRACE: '1s' })
  const [here, there] = both
  const all = await logins(here, 20, 10)
  const next = await inParallel(
    all.length,
    async (at) => (await refresh(here, all[at] as Login)).body,
  )
  const used = await inParallel(all.length, (at) => verify(here, next[at] as Login))
  t.same(new Set(used.map(({ status }) => status)), new Set([200]))
  await sleep(1_100)
  const replays = await inParallel(all.length, async (at) => {
    const { status } = await refresh(there, all[at] as Login)
    const old = await verify(there, all[at] as Login)
    const access = await verify(there, next[at] as Login)
    return [status, old.status, access.status, (await refresh(here, next[at] as Login)).status]
  })
  t.same(new Set(replays.flat()), new Set([401]))
  t.same(await queryAt(url, 'select id from sessions'), [])
})

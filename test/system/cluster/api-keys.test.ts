import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { bearer } from '../../support/app.js'
import type { CreatedKey } from '../../support/api-keys.js'
import {
  ask,
  cluster,
  inParallel,
  logins,
  outlives,
  percentile,
  summary,
  verify,
  type Login,
} from '../../support/cluster.js'
import { queryAt, testDatabase } from '../../support/database.js'
import type { ServerProcess } from '../../support/server-process.js'

const url = await testDatabase(t)
const shared = { DATABASE_URL: url, SESSIONS_PER_USER: '1000' }
const servers = await cluster(t, [shared, shared, shared])
const [here, ...others] = servers as [ServerProcess, ...ServerProcess[]]
const [owner] = (await logins(here, 2)) as [Login]

async function createKey(): Promise<CreatedKey & { login: Login }> {
  const answer = await fetch(`${here.origin}/api/user/api-keys`, {
    method: 'POST',
    headers: { ...bearer(owner.access_token), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'backup', roles: ['user'] }),
  })
  if (answer.status !== 201) throw new Error(await answer.text())
  const created = (await answer.json()) as CreatedKey
  return { ...created, login: { access_token: created.key, refresh_token: '' } }
}

/** How often a key was looked up by its hash. A connection that has become idle reports it ten seconds later. */
async function lookups(): Promise<number> {
  await setTimeout(11_000)
  const [row] = await queryAt<{ count: string }>(
    url,
    `select idx_scan as count from pg_stat_user_indexes where indexrelname = 'api_keys_secret_hash_key'`,
  )
  return Number(row?.count)
}

t.test('10,000 requests with one key cost each instance one query', async (t) => {
  // Enough rows that PostgreSQL reads the index.
  await queryAt(
    url,
    `insert into api_keys (id, user_id, name, secret_hash, expires_at)
     select gen_random_uuid(), id, 'old', sha256(n::text::bytea), now() + interval '1 day'
     from users, generate_series(1, 20000) n where email = 'user-1@example.org'`,
  )
  await queryAt(url, 'analyze api_keys')
  const { login } = await createKey()
  const before = await lookups()
  for (const server of servers) {
    const answers = await inParallel(10_000, () => verify(server, login), 32)
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  }
  t.equal((await lookups()) - before, servers.length)
})

t.test('a key that was revoked on one instance is refused soon on the others', async (t) => {
  const count = 45
  const keys = await inParallel(count, createKey, 4)
  for (const server of servers) await inParallel(count, (at) => verify(server, keyAt(at)))
  const delays = await inParallel(
    count,
    async (at) => {
      const path = `/api/user/api-keys/${keys[at]?.api_key.id ?? ''}`
      const { status } = await ask(`${here.origin}${path}`, bearer(owner.access_token), 'DELETE')
      if (status !== 200) throw new Error(`revoked: ${status}`)
      const [elsewhere, own] = await Promise.all([
        outlives(others, keyAt(at)),
        verify(here, keyAt(at)),
      ])
      t.equal(own.status, 401, 'at once where it was revoked')
      return elsewhere
    },
    2,
  )
  const times = delays.flat()
  t.comment(`accepted elsewhere for so many ms: ${summary(times)}`)
  t.ok(percentile(times, 99) <= 250, `accepted elsewhere for so many ms: ${summary(times)}`)

  function keyAt(at: number): Login {
    return keys[at]?.login as Login
  }
})

import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createStore } from '../../../src/store.js'
import { createDenylistRepository } from '../../../src/features/denylist/repository.js'
import { systemClock } from '../../../src/concurrency/clock.js'
import { createRestorer } from '../../../src/features/denylist/restorer.js'
import { createPool } from '../../../src/db/pool.js'
import { pino } from 'pino'
import { isRefused, keysSecret, listeningApp, signUp } from '../../support/app.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { changeHistory, denyEarly } from '../../support/histories.js'
import { claimsOf } from '../../support/oauth.js'
import { until } from '../../support/until.js'

const nameOf = async (url: string) =>
  (await queryAt<{ name: string | null }>(url, 'select database_history() as name'))[0]?.name

t.test('a history has one name for every connection, and a copy has another', async (t) => {
  const [one, other] = [await testDatabase(t), await testDatabase(t)]
  const name = await nameOf(one)
  t.match(name, /^[0-9a-f]{32}$/)
  t.equal(await nameOf(one), name)
  t.equal(await nameOf(`${one}?options=-c%20TimeZone%3DAsia/Tokyo`), name)
  t.not(await nameOf(other), name, 'of the same template')
})

t.test('an emptied table of incarnations leaves no name, and the next is another', async (t) => {
  const url = await testDatabase(t)
  const before = await nameOf(url)
  await queryAt(url, 'truncate database_incarnation')
  t.equal(await nameOf(url), null)
  await queryAt(url, changeHistory)
  t.not(await nameOf(url), before)
  t.match(
    await queryAt(
      url,
      `select relpersistence from pg_class where relname = 'database_incarnation'`,
    ),
    [{ relpersistence: 'u' }],
    'PostgreSQL empties it after a crash and on a promoted standby',
  )
})

t.test('without the control functions there is a name all the same', async (t) => {
  const url = await testDatabase(t)
  const before = await nameOf(url)
  await queryAt(url, 'drop role if exists gatehouse_plain')
  await queryAt(
    url,
    `create role gatehouse_plain; grant select on database_incarnation to gatehouse_plain;
     revoke execute on function pg_control_system(), pg_walfile_name(pg_lsn) from public`,
  )
  const [row] = await queryAt<{ name: string }>(
    `${url}?options=-c%20role%3Dgatehouse_plain`,
    'select database_history() as name',
  )
  t.match(row?.name, /^[0-9a-f]{32}$/)
  t.not(row?.name, before)
  await queryAt(url, 'drop owned by gatehouse_plain; drop role gatehouse_plain')
})

/** A database whose own functions stand before those of PostgreSQL. */
async function shadowed(t: Test) {
  const url = await testDatabase(t)
  return { url, first: `${url}?options=-c%20search_path%3Dpublic,pg_catalog` }
}

t.test('another cluster, timeline or start of the server makes another name', async (t) => {
  const { url, first } = await shadowed(t)
  const before = await nameOf(url)
  t.equal(await nameOf(first), before)
  for (const [signature, returns, value] of [
    ['pg_control_system()', 'table (system_identifier bigint)', '7::bigint'],
    ['pg_walfile_name(pg_lsn)', 'text', `'0000000200000000000000AA'`],
    ['pg_postmaster_start_time()', 'timestamptz', 'now()'],
  ] as const) {
    const made = `function public.${signature}`
    await queryAt(url, `create ${made} returns ${returns} language sql as $$ select ${value} $$`)
    const name = await nameOf(first)
    t.match(name, /^[0-9a-f]{32}$/)
    t.not(name, before, signature)
    await queryAt(url, `drop ${made}`)
  }
  t.equal(await nameOf(first), before)
})

t.test('a standby, which may lag, has no history and answers no question', async (t) => {
  const { url, first } = await shadowed(t)
  const findAt = async (url: string) => {
    const db = createPool({ url, size: 1 })
    t.teardown(() => db.close())
    return createDenylistRepository(db, 900, () => undefined).find([randomUUID()])
  }
  await queryAt(
    url,
    'create function public.pg_is_in_recovery() returns boolean language sql as $$ select true $$',
  )
  await t.rejects(nameOf(first), { code: '25006' })
  await t.rejects(findAt(first), { code: 'unavailable' })
  t.same(await findAt(url), [])
})

for (const sync of ['listen', 'poll']) {
  t.test(`${sync}: after a change of the history everything is loaded again`, async (t) => {
    const lines: string[] = []
    const logTo = { write: (line: string) => void lines.push(line) }
    const service = await listeningApp(t, { env: { DENYLIST_SYNC: sync }, logTo })
    const { app, sql } = service
    const login = await signUp(app)
    await sql(denyEarly, [randomUUID()])
    t.notOk(await isRefused(app, login.access_token))
    await sql(denyEarly, [claimsOf(login.access_token).sid])
    await sql(changeHistory)
    await until(() => isRefused(app, login.access_token), 'the denial to be seen')
    t.ok(lines.some((line) => line.includes('database history changed, reloading the denylist')))
    const isCounted = async () =>
      /^gatehouse_denylist_history_changes_total 1$/m.test(
        (await app.inject({ url: '/metrics' })).body,
      )
    await until(isCounted, 'the change to be counted')
  })

  t.test(`${sync}: what the new history lacks stays denied, and is written again`, async (t) => {
    const service = await listeningApp(t, { env: { DENYLIST_SYNC: sync } })
    const { app, sql } = service
    const { access_token, user } = await signUp(app)
    const { sid } = claimsOf(access_token)
    const kept = await sql('select * from sessions')
    await app.inject({
      method: 'POST',
      url: '/api/logout',
      headers: { authorization: `Bearer ${access_token}` },
    })
    t.equal(kept.length, 1)
    await sql(`insert into sessions select * from json_populate_recordset(null::sessions, $1)`, [
      JSON.stringify(kept),
    ])
    await sql('delete from token_denylist')
    await sql(changeHistory)
    const isWritten = async () =>
      (await sql('select from token_denylist where id = $1 and epoch is null', [sid])).length === 1
    await until(async () => {
      t.ok(await isRefused(app, access_token), 'at no time')
      return isWritten()
    }, 'the denial to be written')
    t.same(await sql('select id from sessions where user_id = $1', [user.id]), [])
  })
}

t.test('epochs are raised above lost ones; what was deleted is not deleted again', async (t) => {
  const url = await testDatabase(t)
  const db = createPool({ url, size: 2 })
  t.teardown(() => db.close())
  const quiet = () => undefined
  const hooks = { onMessage: quiet, onDenied: quiet, onDoubt: quiet }
  const store = createStore(db, {
    denyFor: 900,
    idleTtl: 900,
    grace: 10,
    keysSecret,
    publicUrl: '',
    newId: randomUUID,
    ...hooks,
  })
  const lines: string[] = []
  let fails = true
  const restorer = createRestorer({
    ...store,
    denylist: {
      ...store.denylist,
      findAccounts: (ids) =>
        fails ? Promise.reject(new Error('down')) : store.denylist.findAccounts(ids),
    },
    log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
    clock: { ...systemClock, sleep: async () => void (fails = false) },
  })
  const [behind, ahead, deleted] = [randomUUID(), randomUUID(), randomUUID()]
  for (const [at, id] of [behind, ahead, deleted].entries()) {
    await db.query(
      'insert into users (id, username, username_canonical, epoch) values ($1, $2, $2, $3)',
      [id, `user-${at}`, at],
    )
  }
  const client = randomUUID()
  await db.query(`insert into clients (id, name, secret_hash) values ($1, 'reports', '')`, [client])
  const expires_at = Math.ceil(Date.now() / 1_000) + 900
  restorer.restore([
    { id: client, epoch: 400_000_000, expires_at },
    { id: behind, epoch: 400_000_000, expires_at },
    { id: ahead, epoch: 0, expires_at },
    { id: deleted, expires_at },
    { id: randomUUID(), expires_at: 1 },
  ])
  await until(() => lines.some((line) => line.includes(deleted)), 'it to be done')
  await restorer.stop()
  t.match(await db.query('select epoch from users order by username'), {
    rows: [{ epoch: 400_000_001 }, { epoch: 1 }, { epoch: 2 }],
  })
  t.match(await db.query('select epoch from clients'), { rows: [{ epoch: 400_000_001 }] })
  const denied = await db.query<{ id: string }>('select id from token_denylist')
  t.same(denied.rows.map(({ id }) => id).sort(), [behind, client].sort())
  t.ok(lines[0]?.includes('retrying'))
})

t.test('an epoch of one history is none of another', async (t) => {
  const url = await testDatabase(t)
  const id = randomUUID()
  await queryAt(
    url,
    `insert into users (id, username, username_canonical) values ($1, 'ada', 'ada')`,
    [id],
  )
  const raise = async () =>
    (await queryAt<{ epoch: number }>(url, 'update users set epoch = epoch + 1 returning epoch'))[0]
      ?.epoch ?? 0
  const first = await raise()
  const seconds = Date.now() / 1_000 - Date.UTC(2025, 0) / 1_000
  t.ok(Math.abs(first - seconds) < 60, `${first}`)
  const second = await raise()
  t.ok(second > first)
  await queryAt(url, 'update users set epoch = 7')
  t.ok((await raise()) >= first, 'though the raise before it was lost')
})

t.test('what logical replication brings is dated by this server', async (t) => {
  const url = await testDatabase(t)
  const [row] = await queryAt<{ mine: boolean }>(
    url,
    `set session_replication_role = replica;
     insert into token_denylist (id, expires_at, xid) values (gen_random_uuid(), now(), '3')`,
  ).then(() => queryAt<{ mine: boolean }>(url, `select xid > '3' as mine from token_denylist`))
  t.equal(row?.mine, true)
})

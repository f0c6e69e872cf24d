import pg from 'pg'
import t, { type Test } from 'tap'
import type { Db, Pool } from '../../src/db/pool.js'
import { prune } from '../../src/db/retention.js'
import { accountSorts } from '../../src/features/administration/schemas.js'
import { replicaSql } from '../../src/features/denylist/statements.js'
import type { Counter } from '../../src/features/limits/repository.js'
import { generateKey } from '../../src/features/tokens/key-pair.js'
import { createStore, type Store } from '../../src/store.js'
import { keysSecret } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { fillTables } from '../support/many-rows.js'
import { planChecker } from '../support/plans.js'

const users = 100_000

/** More than a page of a list and a batch of expired rows. Every table that grows has ten times as many. */
const most = 2_500

/** These open values in memory, or read every user by their purpose. */
const readsAll = ['keys.open', 'exports.begin', 'exports.next', 'imports.analyze']

/** What may read more, and why. */
const mayReadMore: Record<string, [rows: number, why: string]> = {
  'accounts.count': [11_000, 'a total counts 10,001 at most'],
  'audit.count': [11_000, 'a total counts 10,001 at most'],
  'roles.list': [users + 5, 'an administrator asks how many users have each role'],
  'roles.delete': [users + 5, 'it takes the role from every user who has it'],
  'users.countPasswordSchemes': [users + 5, 'the command line asks how many users have each'],
  'outbox.backlog': [40_000, 'the queue is as long as a provider is down'],
  'denylist page': [12_000, 'a page of a load has 80 blocks'],
}

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

const storeOn = (db: Db) =>
  createStore(db as Pool, {
    denyFor: 900,
    idleTtl: 1_209_600,
    grace: 30,
    keysSecret,
    publicUrl: 'https://auth.example.org',
    newId: () => crypto.randomUUID(),
    onMessage: () => undefined,
    onDenied: () => undefined,
    onDoubt: () => undefined,
  })

/** The store, and the methods of its repositories that were called. */
function recorded(store: Store) {
  const called = new Set<string>()
  const methods = Object.entries(store)
    .filter(([, repository]) => typeof repository === 'object')
    .flatMap(([name, repository]) => Object.keys(repository).map((method) => `${name}.${method}`))
  const record = <Value extends object>(value: Value, prefix: string): Value =>
    new Proxy(value, {
      get(target, key) {
        const found: unknown = Reflect.get(target, key)
        const name = prefix + String(key)
        if (typeof found === 'function') called.add(name)
        return typeof found === 'object' && found ? record(found, `${name}.`) : found
      },
    })
  return { store: record(store, ''), called, methods }
}

type Row = { id: string; email_canonical: string; session: string }

/** Every statement of the repositories, as `repository.method` and what is asked of it. */
async function statementsOf(store: Store, row: Row, other: Row) {
  const { id, session, email_canonical: canonical } = row
  const email = { kind: 'email', text: canonical, canonical } as const
  const someone = 'new@example.org'
  const newcomer = { kind: 'email', text: someone, canonical: someone } as const
  const caller = {
    user_id: id,
    session_id: session,
    address: '::1',
    user_agent: 'x',
    request_id: 'r',
  }
  const asker = { network: '192.0.2.0/24', cookie: null, device: null }
  const token = { id: session, user_id: id, generation: 0 }
  const key = await generateKey('ES256')
  const counters: Counter[] = [
    { key: 'login:5000', max: 5, seconds: 60 },
    { key: 'login:new', max: 5, seconds: 60, isSilent: true },
  ]
  const newId = () => crypto.randomUUID()
  const hash = Buffer.alloc(32)
  const now = Date.now()
  const page = { limit: 50, key: undefined, descending: true, after: undefined }
  const binding = {
    ...{ code_hash: hash, client_id: other.id, redirect_uri: 'https://x.example/' },
    code_challenge: 'x',
  }
  const {
    accounts,
    apiKeys,
    audit,
    authorizations,
    clients,
    codes,
    counters: limits,
    denylist,
    deviceCodes,
    factors,
    identities,
    invitations,
    loginNotices,
    passkeys,
  } = store
  const { importKeys, imports, keys, oldApp, outbox, roles, sessions, uploads, users } = store
  const middle = { created_at: '2026-11-01T00:00:00.000000Z', email: 'u5', last_login_at: null }
  const sorts = (Object.keys(accountSorts) as (keyof typeof accountSorts)[]).flatMap((name) =>
    [true, false].flatMap((descending) =>
      [undefined, { key: middle[name], id }].map((after) => ({
        ...{ limit: 50, key: name, descending, after },
      })),
    ),
  )
  const filters = [
    { search: canonical },
    { search: 'example.org' },
    { search: 'nothing has this' },
    { role: 'admin' },
    { role: 'user' },
    { state: 'active' },
    { state: 'disabled' },
    { state: 'pending' },
    { created_after: '2099-01-01' },
    { created_before: '1999-01-01' },
    { last_login_after: '2099-01-01' },
    { last_login_before: '1999-01-01' },
  ] as const
  const entries = [
    { user_id: id },
    { event: 'login.failed' },
    { event: 'user.deleted' },
    { event: 'session.reused' },
    { created_after: '2099-01-01' },
    { created_before: '1999-01-01' },
  ]
  const snapshot = '1:1:'
  const imported = {
    ...{ id: newId(), name: null, gender: null, password_hash: null, password_scheme: null },
    ...{ activated_at: null, disabled_at: null, email_verified_at: null, mobile_verified_at: null },
    ...{ created_at: '2026-01-01', updated_at: '2026-01-01', last_login_at: null, proven_at: null },
    ...{
      roles: ['admin'],
      names: ['id:new'],
      identities: [],
      username: 'new',
      username_canonical: 'new',
    },
  }
  return {
    'accounts.find': () => accounts.find(id),
    'accounts.list': () => accounts.list({}, page),
    'accounts.list of the next page': () =>
      accounts.list({}, { ...page, after: { key: null, id } }),
    ...each(sorts, (sort) => [`accounts.list by ${describe(sort)}`, () => accounts.list({}, sort)]),
    ...each(filters, (filter) => [
      `accounts.list with ${describe(filter)}`,
      () => accounts.list(filter, page),
    ]),
    ...each([{}, ...filters], (filter) => [
      `accounts.count with ${describe(filter)}`,
      () => accounts.count(filter, 10_001),
    ]),
    'apiKeys.create': () =>
      apiKeys.create({
        ...{ id: newId(), user_id: id, name: 'x', secret_hash: hash, roles: ['user'], days: 90 },
      }),
    'apiKeys.list': () => apiKeys.list(id),
    'apiKeys.has': () => apiKeys.has(id, id),
    'apiKeys.count': () => apiKeys.count(id),
    'apiKeys.use': () => apiKeys.use([hash]),
    'apiKeys.markExpiring': () => apiKeys.markExpiring(100),
    'apiKeys.delete': () => apiKeys.delete(id, id),
    'apiKeys.deleteThese': () => apiKeys.deleteThese([id]),
    'apiKeys.deleteAll': () => apiKeys.deleteAll(id),
    'audit.add': () => audit.add({ event: 'login.succeeded', caller, user_id: id }),
    'audit.list': () => audit.list({}, page),
    'audit.list by time': () => audit.list({}, { ...page, key: 'at' }),
    ...each(entries, (filter) => [
      `audit.list with ${describe(filter)}`,
      () => audit.list(filter, page),
    ]),
    ...each([{}, ...entries], (filter) => [
      `audit.count with ${describe(filter)}`,
      () => audit.count(filter, 10_001),
    ]),
    'audit.hasReturned': () => audit.hasReturned(id),
    'authorizations.add': () =>
      authorizations.add({ ...binding, user_id: id, session_id: session }, 60),
    'authorizations.spend': () => authorizations.spend(binding, newId()),
    'authorizations.findSpent': () => authorizations.findSpent(binding),
    'clients.create': () =>
      clients.create({
        ...{ id: newId(), name: 'x', roles: [], secret_hash: hash },
        ...{ redirect_uris: ['https://x.example/'], is_public: false, allows_device: false },
        public_key: hash,
      }),
    'clients.list': () => clients.list(),
    'clients.listSiteKeys': () => clients.listSiteKeys(),
    'clients.find': () => clients.find('reports'),
    'clients.findCredential': () => clients.findCredential('reports'),
    'clients.delete': () => clients.delete('reports'),
    'clients.setRedirectUris': () => clients.setRedirectUris(id, []),
    'codes.put': () =>
      codes.put({
        ...{ id: newId(), user_id: id, purpose: 'activation', kind: 'email', address: canonical },
        ...{ address_canonical: canonical, link_hash: hash, code_hash: hash, code_ttl: 60 },
        ...{ link_ttl: 60, asker },
      }),
    'codes.findByLink': () => codes.findByLink(['password_reset'], hash),
    'codes.guess': () => codes.guess(['password_reset'], email, hash, asker),
    'codes.redeem': () => codes.redeem(newId()),
    'codes.deleteAll': () => codes.deleteAll(id),
    'counters.reserve': () =>
      limits.reserve({ now, counters, reservation: '1', until: now + 1_000 }, 'pass'),
    'counters.settle': () =>
      limits.settle({ now, changes: counters.map((counter) => ({ counter, outcome: 'count' })) }),
    'counters.isLive': () => limits.isLive('login:5000', now),
    'counters.clear': () => limits.clear('login:5000'),
    'denylist.deny': () => denylist.deny(session),
    'denylist.raiseEpochs': () => denylist.raiseEpochs([id]),
    'denylist.reportClientEpochs': () => denylist.reportClientEpochs([id]),
    'denylist.raiseEpochsAbove': () => denylist.raiseEpochsAbove([{ id, epoch: 1 }]),
    'denylist.notify': () => denylist.notify(),
    'denylist.beginHistory': () => denylist.beginHistory(),
    'denylist.findAccounts': () => denylist.findAccounts([id]),
    'denylist.listSince': () => denylist.listSince(null, 5_001),
    'denylist.listAfter': () => denylist.listAfter(id, snapshot, 500),
    'denylist.find': () => denylist.find([session, id]),
    'deviceCodes.lockAndCount': () => deviceCodes.lockAndCount(null, '192.0.2.1'),
    'deviceCodes.add': () =>
      deviceCodes.add(
        {
          ...{ device_hash: hash, user_hash: hash, client_id: null, network: '192.0.2.1' },
          ...{ address: '192.0.2.1', user_agent: 'x' },
        },
        600,
        5,
      ),
    'deviceCodes.claim': () => deviceCodes.claim(hash, id),
    'deviceCodes.approve': () => deviceCodes.approve(hash, id, session, 60),
    'deviceCodes.deny': () => deviceCodes.deny(hash, id),
    'deviceCodes.poll': () => deviceCodes.poll(hash, null, 5),
    'deviceCodes.spend': () => deviceCodes.spend(hash, null, newId()),
    'passkeys.add': () =>
      passkeys.add({
        ...{ id: newId(), user_id: id, credential_id: hash, public_key: hash, sign_count: 0 },
        ...{ aaguid: newId(), name: 'x', transports: ['usb'], is_discoverable: true },
        ...{ backup_eligible: false, backed_up: false },
      }),
    'passkeys.list': () => passkeys.list(id),
    'passkeys.listDescriptors': () => passkeys.listDescriptors(id),
    'passkeys.has': () => passkeys.has(id),
    'passkeys.isWayIn': () => passkeys.isWayIn(id),
    'passkeys.find': () => passkeys.find(hash),
    'passkeys.markUsed': () => passkeys.markUsed(newId(), 1, false),
    'passkeys.rename': () => passkeys.rename(id, newId(), 'x'),
    'passkeys.remove': () => passkeys.remove(id, newId()),
    'passkeys.removeAll': () => passkeys.removeAll(id),
    'passkeys.removeUnproven': () => passkeys.removeUnproven(id),
    'factors.lockOwner': () => factors.lockOwner(id),
    'factors.findTotp': () => factors.findTotp(id),
    'factors.putPending': () => factors.putPending(id, hash, 60),
    'factors.confirm': () => factors.confirm(id, 1),
    'factors.spendStep': () => factors.spendStep(id, 2),
    'factors.spendCode': () => factors.spendCode(id, hash),
    'factors.replaceCodes': () => factors.replaceCodes(id, [hash]),
    'factors.countCodes': () => factors.countCodes(id),
    'factors.remove': () => factors.remove(id),
    'factors.putChallenge': () =>
      factors.putChallenge({
        ...{ token_hash: hash, user_id: id, password_version: 0, is_enrolment: false },
        ...{ binding_hash: null, amr: ['pwd'], detail: {}, ttl: 60 },
      }),
    'factors.findChallenge': () => factors.findChallenge(hash, null),
    'factors.tryChallenge': () => factors.tryChallenge(hash, null),
    'factors.endChallenge': () => factors.endChallenge(hash),
    'factors.trust': () =>
      factors.trust({ id: newId(), user_id: id, token_hash: hash, user_agent: 'x', ttl: 60 }),
    'factors.findTrusted': () => factors.findTrusted(id, hash),
    'factors.listTrusted': () => factors.listTrusted(id),
    'factors.forget': () => factors.forget(id, newId()),
    'factors.forgetAll': () => factors.forgetAll(id),
    'identities.find': () => identities.find('https://accounts.example', 's5'),
    'identities.list': () => identities.list(id),
    'identities.add': () =>
      identities.add({ issuer: 'https://other.example', subject: 's', user_id: id, email: null }),
    'identities.remove': () => identities.remove(id, 'https://accounts.example'),
    'identities.removeAll': () => identities.removeAll(id),
    'identities.removeUnproven': () => identities.removeUnproven(id),
    'identities.spend': () => identities.spend(newId(), now / 1_000),
    'importKeys.add': () => importKeys.add(newId(), hash),
    'importKeys.find': () => importKeys.find(id),
    'importKeys.list': () => importKeys.list(),
    'imports.findHolders': () =>
      imports.findHolders([id], { username: ['user7'], email: [canonical], mobile: ['1'] }),
    'imports.insert': () => imports.insert([imported]),
    'imports.createRoles': () => imports.createRoles(['editor']),
    'loginNotices.add': () =>
      loginNotices.add({ id: newId(), user_id: id, user_agent: 'x', address: '::1' }, 60),
    'loginNotices.setToken': () => loginNotices.setToken(newId(), hash),
    'loginNotices.find': () => loginNotices.find(hash),
    'loginNotices.use': () => loginNotices.use(newId()),
    'invitations.create': () =>
      invitations.create({
        ...{ id: newId(), token_hash: hash, address: undefined, is_proof: false, roles: [] },
        ...{ inviter_id: id, client_id: null, ttl: 60 },
      }),
    'invitations.setToken': () => invitations.setToken(newId(), hash),
    'invitations.find': () => invitations.find(hash),
    'invitations.redeem': () => invitations.redeem(hash),
    'invitations.list': () => invitations.list({ ...page, key: undefined }),
    'invitations.delete': () => invitations.delete(newId()),
    'keys.state': () => keys.state(),
    'keys.load': () => keys.load(),
    'keys.lock': () => keys.lock(),
    'keys.add': () => keys.add(key, 60),
    'keys.signNow': () => keys.signNow(key.kid),
    'keys.remove': () => keys.remove(key.kid),
    'oldApp.findUser': () => oldApp.findUser('id:7'),
    'oldApp.hold': () => oldApp.hold(id),
    'outbox.put': () => outbox.put({ message: 'activation', kind: 'email', address: canonical }),
    'outbox.cancel': () => outbox.cancel(id, ['activation']),
    'outbox.hold': () => outbox.hold(newId()),
    'outbox.claim': () => outbox.claim('email', 10, 60),
    'outbox.claim of what waits': () => outbox.claim('mobile', 10, 60),
    'outbox.postpone': () => outbox.postpone(newId(), 1),
    'outbox.backlog': () => outbox.backlog(),
    'outbox.delete': () => outbox.delete(newId()),
    'roles.countAdmins': () => roles.countAdmins(),
    'roles.list': () => roles.list(),
    'roles.create': () => roles.create('editor'),
    'roles.delete': () => roles.delete('user'),
    'roles.lockShared': () => roles.lockShared('user'),
    'roles.grant': () => roles.grant(id, 'admin'),
    'roles.revoke': () => roles.revoke(id, 'user'),
    'roles.keepingAnAdmin': () => roles.keepingAnAdmin(() => Promise.resolve()),
    'sessions.create': () =>
      sessions.create({
        ...{ id: newId(), user_id: id, password_hash: 'x', ttl: 60, user_agent: 'x' },
        ...{
          address: '::1',
          amr: ['pwd'],
          auth_time: null,
          joined_id: session,
          has_factor: false,
          is_known: false,
          device: '1',
        },
        keep: 9,
      }),
    'sessions.openRelated': () =>
      sessions.openRelated({
        ...{ id: newId(), user_id: id, from_id: session, client_id: other.session },
        ...{ host: null, user_agent: 'x', address: '::1', keep: 9 },
      }),
    'sessions.list': () => sessions.list(id, session),
    'sessions.proveFactor': () => sessions.proveFactor(session),
    'sessions.listWithoutFactor': () => sessions.listWithoutFactor('optional', 1),
    'sessions.startedWithin': () => sessions.startedWithin(session, id, 60),
    'sessions.rotate': () => sessions.rotate([token]),
    'sessions.rotate that waits': () => sessions.rotate([token], { wait: true }),
    'sessions.read': () => sessions.read(Array.from({ length: 100 }, newId)),
    'sessions.find': () => sessions.find(session, id),
    'sessions.repeatLate': () =>
      sessions.repeatLate(token, { generation: 0, repeats: 0, spent_at: [], is_used: false }),
    'sessions.markUsed': () => sessions.markUsed([session, other.session], [0, 0]),
    'sessions.end': () => sessions.end(session, other.session),
    'sessions.endWithEntries': () =>
      sessions.endWithEntries([session, other.session], audit.addition([])),
    'sessions.endOf': () => sessions.endOf(id, session),
    'sessions.endAll': () => sessions.endAll(id, session),
    'sessions.endOfClient': () => sessions.endOfClient(id),
    'uploads.putPicture': () => uploads.putPicture(id, 'h', { large: hash, small: hash }),
    'uploads.findPictureHash': () => uploads.findPictureHash(id),
    'uploads.findPicture': () => uploads.findPicture(id, 'large'),
    'uploads.deletePicture': () => uploads.deletePicture(id),
    'uploads.putReadme': () =>
      uploads.putReadme(id, { hash: 'h', html: 'x', markdown: 'x', front_matter: {} }),
    'uploads.findReadme': () => uploads.findReadme(id),
    'uploads.deleteReadme': () => uploads.deleteReadme(id),
    'users.create': () =>
      users.create({
        ...{ id: newId(), name: null, gender: null, password_hash: null, activated: true },
        identifiers: [newcomer],
      }),
    'users.find': () => users.find(id),
    'users.get': () => users.get(id),
    'users.list': () => users.list([id, other.id]),
    'users.lock': () => users.lock(id),
    'users.lockShared': () => users.lockShared(id),
    'users.verify': () => users.verify(id, 'email', canonical),
    'users.update': () =>
      users.update(id, { name: 'Ada', identifiers: [{ kind: 'email', identifier: newcomer }] }),
    'users.setDisabled': () => users.setDisabled(id, true),
    'users.delete': () => users.delete(id),
    'users.findCredential': () => users.findCredential(email),
    'users.findCredential of a name': () => users.findCredential({ ...email, kind: 'username' }),
    'users.findCredential of a number': () => users.findCredential({ ...email, kind: 'mobile' }),
    'users.findCredentialById': () => users.findCredentialById(id),
    'users.listPasswordSchemes': () => users.listPasswordSchemes(),
    'users.countPasswordSchemes': () => users.countPasswordSchemes(),
    'users.replaceHash': () => users.replaceHash(id, 'x', 'y'),
    'users.changePassword': () => users.changePassword(id, 'x', 'y'),
    'users.keepDevice': () => users.keepDevice(id, '1'),
    'users.setPassword': () => users.setPassword(id, null),
    'users.findHolders': () => users.findHolders([email, newcomer]),
    'users.lockWithHolder': () => users.lockWithHolder(other.id, 'email', canonical),
    'users.lockHolder': () => users.lockHolder('email', canonical),
  }
}

const describe = (value: object) => JSON.stringify(value)

const each = <Item>(
  items: readonly Item[],
  toEntry: (item: Item) => [string, () => Promise<unknown>],
) => Object.fromEntries(items.map(toEntry))

t.test('with 100,000 users', { timeout: 180_000 }, async (t) => {
  const url = await testDatabase(t)
  await fillTables(url, users)
  const client = await connect(t, url)
  await client.query('begin')
  const db = planChecker(client)

  async function check(t: Test, name: string, work: () => Promise<unknown>): Promise<void> {
    const [limit] = mayReadMore[
      name
        .split(' ')
        .slice(0, name.startsWith('denylist ') ? 2 : 1)
        .join(' ')
    ] ?? [most]
    db.setLimit(limit)
    await client.query('savepoint one')
    await work().catch((error: unknown) => t.fail(name, { error }))
    await client.query('rollback to savepoint one')
    t.strictSame(db.faults.splice(0), [], name)
  }

  t.test('no statement of a repository reads or sorts a table that grows', async (t) => {
    const { rows } = await client.query<Row>(
      `select users.id, email_canonical, sessions.id as session
       from users join sessions on user_id = users.id where username in ('user5000', 'user9000')`,
    )
    const { store, called, methods } = recorded(storeOn(db))
    const statements = await statementsOf(store, rows[0]!, rows[1]!)
    called.clear()
    for (const [name, work] of Object.entries(statements)) await check(t, name, work)
    const unknown = methods.filter((name) => !called.has(name) && !readsAll.includes(name))
    t.strictSame(unknown, [], 'statementsOf() has every method')
  })

  t.test('neither does the feed of denials', async (t) => {
    const { rows } = await client.query<{ snapshot: string }>(
      'select pg_current_snapshot()::text as snapshot',
    )
    await check(t, 'denylist delta', () => db.query(replicaSql.delta, [rows[0]!.snapshot]))
    await check(t, 'denylist page', () => db.query(replicaSql.page, [80, 160]))
  })

  t.test('neither does the removal of expired rows', async (t) => {
    const pool = { transaction: (work: (tx: Db) => Promise<number>) => work(db) } as unknown as Pool
    await check(t, 'prune', async () => t.ok((await prune(pool, 86_400)) >= 2_500))
  })

  t.test('every foreign key has an index, so that no delete reads the table', async (t) => {
    const { rows } = await client.query(
      `select conrelid::regclass::text as table, conname from pg_constraint c
       where contype = 'f' and not exists (
         select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`,
    )
    t.strictSame(rows, [])
  })
})

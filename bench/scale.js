// What the size of the database costs: the same work with 10,000, 100,000 and 1,000,000 users, a session and an
// entry of the audit log for each. `npm run bench:scale [-- 10000 100000]`. DATABASE_URL names a PostgreSQL
// server on which a database can be made.
import { prune } from '../src/db/retention.js'
import { benchDatabase } from './support/database.js'
import { median } from './support/parallel.js'
import { openServices, openSessions } from './support/services.js'

const sizes = process.argv.slice(2).map(Number)
if (sizes.length === 0) sizes.push(10_000, 100_000, 1_000_000)
const rounds = 300
const caller = { user_id: null, session_id: null, address: '::1', user_agent: 'bench' }

const KEYS_SECRET = 'bench-0123456789-abcdefghij-ABCDEFGHIJ'

// A UUIDv7 of the service begins with its time, so rows of one time are neighbours in an index.
const time = `lpad(to_hex(1767225600000 + n), 12, '0')`
const idOf = `overlay(${time} placing '-' || right(${time}, 4) || '-7' || substr(gen_random_uuid()::text, 16) from 9)::uuid`

const places = []
for (const size of sizes) places.push(await open(size))
const names = Object.keys(places[0].ways)
const found = Object.fromEntries(names.map((name) => [name, places.map(() => [])]))
// In turn, so that noise meets the sizes alike.
for (const name of names) {
  const tries = name.startsWith('prune') ? 10 : rounds
  for (let nth = 0; nth < tries; nth += 1) {
    for (const [at, { ways, before }] of places.entries()) {
      await before(name)
      const start = performance.now()
      await ways[name](nth)
      found[name][at].push(performance.now() - start)
    }
  }
}

const heads = sizes.map((size) => `${size.toLocaleString('en')} users`)
const marks = sizes.slice(1).map((size) => `${size.toLocaleString('en')} ÷ first`)
console.log(`| ms | ${[...heads, ...marks].join(' | ')} |`)
console.log(`|---|${'---|'.repeat(heads.length + marks.length)}`)
for (const name of names) {
  const [first, ...others] = found[name].map(median)
  const ratios = others.map((ms) => ms / first)
  const cells = [first, ...others, ...ratios].map((value) => value.toFixed(2))
  console.log(`| ${name} | ${cells.join(' | ')} |`)
}
for (const { close } of places) await close()
process.exit()

/** A database of this size, and what is measured on it. */
async function open(size) {
  const { url, sql, drop } = await benchDatabase(`_${size}`)
  const bench = await openServices({ DATABASE_URL: url, KEYS_SECRET, REFRESH_GRACE: '1s' })
  const own = await openSessions(bench, rounds)
  await fill(sql, rounds + 1, size)
  console.error(`${size.toLocaleString('en')} users`)
  const close = async () => {
    await bench.close()
    await drop()
  }
  const before = async (name) => {
    if (name.startsWith('prune')) await expire(sql, 1_000)
  }
  return { ways: waysOf(bench, own, size), before, close }
}

/**
 * Users with these numbers, each with a session and an entry of the audit log. Triggers and foreign keys are off
 * meanwhile, and the index of the search is made at the end.
 */
async function fill(sql, from, to) {
  await sql.query(`
    begin;
    set local session_replication_role = replica;
    do $$
    declare definition text := (select indexdef from pg_indexes where indexname = 'users_search_idx');
    begin
      if definition is not null then drop index users_search_idx; end if;
      create temp table made on commit drop as
        select ${idOf} as id, n from generate_series(${from}, ${to}) n;
      insert into users (id, name, email, email_canonical, password_hash, activated_at, created_at)
        select id, 'User ' || n, 'u' || n || '@example.org', 'u' || n || '@example.org', 'x', now(),
          now() - make_interval(secs => n) from made;
      insert into last_logins select id, now() - make_interval(mins => n) from made;
      insert into sessions (id, user_id, expires_at)
        select ${idOf}, id, now() + interval '14 days' from made;
      insert into audit_log (id, event, user_id, at)
        select ${idOf}, 'login.succeeded', id, now() from made;
      if definition is not null then execute definition; end if;
    end $$;
    commit`)
  await sql.query('vacuum analyze')
}

function expire(sql, count) {
  return sql.query(
    `update sessions set expires_at = now() - interval '1 minute' where id in (
       select id from sessions where user_id not in (select id from users where name is null) limit $1)`,
    [count],
  )
}

function waysOf({ db, services }, own, size) {
  const { administration, logins, sessions, store } = services
  const email = () => `u${1 + rounds + Math.floor(Math.random() * (size - rounds))}@example.org`
  const page = (query) => administration.list({ limit: '50', ...query })
  return {
    'login, without its hash': async () => {
      const canonical = email()
      const user = await store.users.findCredential({ kind: 'email', text: canonical, canonical })
      if (!user) throw new Error(`no user ${canonical}`)
      logins.complete(await store.transaction((tx) => logins.open(tx, user, caller)))
    },
    refresh: async (nth) => {
      const { refresh_token } = own[nth]
      Object.assign(own[nth], await sessions.refresh(refresh_token, caller))
    },
    'list the newest users': () => page({}),
    'list by last login': () => page({ sort: '-last_login_at' }),
    'list by address': () => page({ sort: 'email' }),
    'search for what many have': () => page({ search: 'example.org' }),
    'search for what one has': () => page({ search: email() }),
    'prune 1,000 expired sessions': async () => {
      while ((await prune(db, 365 * 86_400)) > 0);
    },
  }
}

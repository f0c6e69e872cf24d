// What the size of the database costs: the same work with 10,000, 100,000 and 1,000,000 users, a session and an
// entry of the audit log for each. `npm run bench:scale [-- 10000 100000]`. DATABASE_URL names a PostgreSQL
// server on which a database can be made.
import pg from 'pg'
import { prune } from '../src/db/retention.js'
import { median } from './support/parallel.js'
import { openServices, openSessions } from './support/services.js'

const sizes = process.argv.slice(2).map(Number)
if (sizes.length === 0) sizes.push(10_000, 100_000, 1_000_000)
const rounds = 300
const caller = { user_id: null, session_id: null, address: '::1', user_agent: 'bench' }

const name = `bench_scale_${process.pid}`
const admin = new pg.Client({ connectionString: process.env.DATABASE_URL })
await admin.connect()
await admin.query(`create database ${name}`)
const url = new URL(process.env.DATABASE_URL)
url.pathname = `/${name}`
const KEYS_SECRET = 'bench-0123456789-abcdefghij-ABCDEFGHIJ'
const bench = await openServices({ DATABASE_URL: url.href, KEYS_SECRET, REFRESH_GRACE: '1s' })
const { db, services } = bench
const { administration, logins, sessions, store } = services
const sql = new pg.Client({ connectionString: url.href })
await sql.connect()

const found = []
const own = await openSessions(bench, rounds)
let before = rounds
for (const size of sizes) {
  await fill(before + 1, size)
  before = size
  const result = {}
  for (const [way, work] of Object.entries(ways(size))) result[way] = await timesOf(work)
  await expire(1_000)
  const start = performance.now()
  while ((await prune(db, 365 * 86_400)) > 0);
  result['prune 1,000 expired sessions'] = performance.now() - start
  found.push(result)
  console.error(`${size.toLocaleString('en')} users measured`)
}

console.log(`| ms | ${sizes.map((size) => size.toLocaleString('en')).join(' | ')} | last ÷ first |`)
console.log(`|---|${'---|'.repeat(sizes.length + 1)}`)
for (const way of Object.keys(found[0])) {
  const values = found.map((result) => result[way])
  const ratio = (values.at(-1) / values[0]).toFixed(2)
  console.log(`| ${way} | ${values.map((ms) => ms.toFixed(2)).join(' | ')} | ${ratio} |`)
}
await sql.end()
await bench.close()
await admin.query(`drop database ${name} with (force)`)
process.exit()

/** Users with these numbers, each with a session and an entry of the audit log. */
async function fill(from, to) {
  await sql.query(
    `with made as (
       insert into users (id, name, email, email_canonical, password_hash, activated_at, created_at, last_login_at)
       select gen_random_uuid(), 'User ' || n, 'u' || n || '@example.org', 'u' || n || '@example.org', 'x', now(),
         now() - make_interval(secs => n), now() - make_interval(mins => n)
       from generate_series($1::int, $2::int) n
       returning id
     ), opened as (
       insert into sessions (id, user_id, expires_at)
       select gen_random_uuid(), id, now() + interval '14 days' from made
     )
     insert into audit_log (id, event, user_id, at)
     select gen_random_uuid(), 'login.succeeded', id, now() from made`,
    [from, to],
  )
  await sql.query('vacuum analyze')
}

function expire(count) {
  return sql.query(
    `update sessions set expires_at = now() - interval '1 minute' where id in (
       select id from sessions where user_id not in (select id from users where name is null) limit $1)`,
    [count],
  )
}

function ways(size) {
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
  }
}

/** The median of many tries, in ms. */
async function timesOf(work) {
  const times = []
  for (let nth = 0; nth < rounds && sum(times) < 20_000; nth += 1) {
    const start = performance.now()
    await work(nth)
    times.push(performance.now() - start)
  }
  return median(times)
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}

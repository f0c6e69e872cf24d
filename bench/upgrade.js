// How long an upgrade from 0.1 keeps the users locked: the migrations that 0.1 does not have, on its tables with so many
// users and entries of the audit log. `npm run bench:upgrade [-- 200000 1000000]`. DATABASE_URL names a PostgreSQL
// server on which a database can be made.
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import { migrate } from '../src/db/migrate.js'
import { benchDatabase } from './support/database.js'

const [users = 200_000, entries = 1_000_000] = process.argv.slice(2).map(Number)
const dir = fileURLToPath(new URL('../migrations', import.meta.url))
const old = readdirSync(dir).filter((name) => name < '0024')
const quiet = { info: () => undefined, warn: console.warn, error: console.error }

const { url, sql, drop } = await benchDatabase()
try {
  await runner({
    ...{ databaseUrl: url, dir, direction: 'up', count: old.length, migrationsTable: 'migrations' },
    logger: quiet,
  })
  await fill()
  const began = performance.now()
  await migrate(url, quiet)
  const seconds = (performance.now() - began) / 1_000
  console.log('| users | entries | seconds |\n|---|---|---|')
  console.log(`| ${users} | ${entries} | ${seconds.toFixed(1)} |`)
} finally {
  await drop()
}

/** Foreign keys are off meanwhile. */
async function fill() {
  await sql.query(`
    begin;
    set local session_replication_role = replica;
    create temp table made on commit drop as
      select gen_random_uuid() as id, n from generate_series(0, ${users - 1}) n;
    create index on made (n);
    insert into users (id, name, email, email_canonical, password_hash, activated_at, created_at)
      select id, 'User ' || n, 'u' || n || '@example.org', 'u' || n || '@example.org', 'x', now(),
        now() - make_interval(secs => n) from made;
    insert into sessions (id, user_id, expires_at)
      select gen_random_uuid(), id, now() + interval '14 days' from made;
    insert into audit_log (id, event, user_id, at)
      select gen_random_uuid(), 'login.succeeded', id, now() - make_interval(secs => e)
      from generate_series(1, ${entries}) e join made on n = e % ${users};
    commit`)
  await sql.query('vacuum analyze')
}

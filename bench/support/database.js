import pg from 'pg'

/** A new database on the server of DATABASE_URL, with a connection to it, past the service. */
export async function benchDatabase(suffix = '') {
  const name = `bench_${process.pid}${suffix}`
  const admin = new pg.Client({ connectionString: process.env.DATABASE_URL })
  await admin.connect()
  await admin.query(`create database ${name}`)
  const url = new URL(process.env.DATABASE_URL)
  url.pathname = `/${name}`
  const sql = new pg.Client({ connectionString: url.href })
  await sql.connect()
  const drop = async () => {
    await sql.end()
    await admin.query(`drop database ${name} with (force)`)
    await admin.end()
  }
  return { url: url.href, sql, drop }
}

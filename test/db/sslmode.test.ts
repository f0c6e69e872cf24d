import t from 'tap'
import { toConnectionString } from '../../src/db/connection-string.js'
import { describeDatabaseFault } from '../../src/db/faults.js'
import { migrate } from '../../src/db/migrate.js'
import { createPool } from '../../src/db/pool.js'
import { testDatabase } from '../support/database.js'
import { tlsDatabase } from '../support/tls-database.js'

const verifying = ['prefer', 'require', 'verify-ca', 'verify-full']

/** Undefined if the pool can query, else the sentence for the operator. */
async function faultAt(url: string): Promise<string | undefined> {
  const db = createPool({ url, size: 1 })
  try {
    await db.query('select 1')
    return undefined
  } catch (error) {
    return describeDatabaseFault(error, url) ?? String(error)
  } finally {
    await db.close()
  }
}

const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))

t.test('every sslmode but disable and no-verify verifies certificate and host name', async (t) => {
  const { url, certFile, count } = await tlsDatabase(t, await testDatabase(t))
  const ca = `&sslrootcert=${encodeURIComponent(certFile)}`
  for (const mode of verifying) {
    const fault = await faultAt(`${url}?sslmode=${mode}`)
    t.match(fault, /has a certificate that cannot be verified \(self-signed certificate/, mode)
    t.equal(await faultAt(`${url}?sslmode=${mode}${ca}`), undefined, `${mode} with the CA`)
  }
  const other = await tlsDatabase(t, url, 'DNS:db.example.org')
  const otherCa = `&sslrootcert=${encodeURIComponent(other.certFile)}`
  for (const mode of verifying) {
    t.match(await faultAt(`${other.url}?sslmode=${mode}${otherCa}`), 'cannot be verified', mode)
  }
  t.equal(count.plain, 0, 'nothing went without TLS')
  t.equal(await faultAt(`${url}?sslmode=no-verify`), undefined)
  t.equal(count.plain, 0, 'no-verify has TLS too')
  t.equal(await faultAt(`${url}?sslmode=disable`), undefined)
  t.equal(count.plain, 1)
})

t.test('only disable connects to a PostgreSQL without TLS', async (t) => {
  const url = await testDatabase(t)
  for (const mode of [...verifying, 'no-verify']) {
    t.match(await faultAt(`${url}?sslmode=${mode}`), /has no TLS: enable it there/, mode)
  }
  t.equal(await faultAt(`${url}?sslmode=disable`), undefined)
  t.equal(await faultAt(url), undefined)
})

t.test('migrations take the same modes, and no warning is printed', async (t) => {
  const { url } = await tlsDatabase(t, await testDatabase(t))
  const quiet = () => undefined
  const log = { info: quiet, warn: quiet, error: quiet }
  await t.rejects(migrate(`${url}?sslmode=require`, log), /self-signed/)
  await new Promise(setImmediate)
  t.same(warnings, [])
})

t.test('the modes of libpq stay those of libpq, and no other parameter changes', async (t) => {
  const url = 'postgres://ada:sslmode=require@db/gate'
  for (const [given, wanted] of [
    ['', ''],
    ['?sslmode=require', '?sslmode=verify-full'],
    ['?a=b&sslmode=prefer&c=d', '?a=b&sslmode=verify-full&c=d'],
    ['?sslmode=disable', '?sslmode=disable'],
    ['?sslmode=no-verify', '?sslmode=no-verify'],
    ['?sslmode=required', '?sslmode=required'],
    ['?uselibpqcompat=true&sslmode=require', '?uselibpqcompat=true&sslmode=require'],
    ['?sslmode=require&uselibpqcompat=true#x', '?sslmode=require&uselibpqcompat=true#x'],
  ] as const) {
    t.equal(toConnectionString(url + given), url + wanted)
  }
})

import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { loadOrCreateLocalSecret } from '../../src/config/local-secret.js'
import { loadConfig } from '../../src/config/load.js'
import { createPool } from '../../src/db/pool.js'
import { AppError, OperatorError } from '../../src/errors.js'
import { toListenError, toOperatorError } from '../../src/process/faults.js'

const url = 'postgres://ada:hunter2@db.example.org:5433/gate'
const config = loadConfig({ DATABASE_URL: url })

/** The sentence about an error of PostgreSQL. */
function sentenceOf(code: string, message: string): string {
  const error = Object.assign(new pg.DatabaseError(message, 0, 'error'), { code })
  const result = toOperatorError(error, config)
  t.type(result, OperatorError)
  return (result as Error).message
}

/** The sentence about an error of listen(). */
function listening(code: string, env: Record<string, string>): string {
  const result = toListenError(Object.assign(new Error(code), { code }), loadConfig(env))
  t.type(result, OperatorError)
  return (result as Error).message
}

t.test('what PostgreSQL refuses is said with its place and the fix, without the password', (t) => {
  const sentences = {
    '28P01': 'PostgreSQL at db.example.org:5433 refuses the password of user "ada": correct it',
    '3D000': 'PostgreSQL at db.example.org:5433 has no database "gate": create it, or correct',
    '28000': 'PostgreSQL at db.example.org:5433 refuses user "ada" (no): create the user',
    '42501': 'does not allow this to user "ada" (no): make the user the owner of database "gate"',
    '57P03': 'PostgreSQL does not answer at db.example.org:5433 (57P03): start it, or correct',
  }
  for (const [code, sentence] of Object.entries(sentences)) {
    const message = sentenceOf(code, 'no')
    t.match(message, sentence)
    t.notMatch(message, /hunter2|\n/)
  }
  t.end()
})

t.test(
  'no password, no TLS, an unknown name and another program have sentences of their own',
  (t) => {
    const sentenceAt = (DATABASE_URL: string, message: string, code?: string) =>
      (
        toOperatorError(
          Object.assign(new Error(message), { code }),
          loadConfig({ DATABASE_URL }),
        ) as Error
      ).message
    const none = 'postgres://ada@db.example.org:5433/gate'
    const saslless = 'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'
    const asks = `PostgreSQL at db.example.org:5433 asks for a password of user "ada", and DATABASE_URL has none: write it as postgres://user:password@host/database`
    t.equal(sentenceAt(none, saslless), asks)
    t.equal(
      sentenceAt(none.replace('@', ':@'), saslless.replace('a string', 'a non-empty string')),
      asks,
    )
    const refusal = Object.assign(new pg.DatabaseError('no', 0, 'error'), { code: '28P01' })
    t.match(toOperatorError(refusal, loadConfig({ DATABASE_URL: none })), { message: asks })
    t.equal(
      sentenceAt(url, 'The server does not support SSL connections'),
      'PostgreSQL at db.example.org:5433 has no TLS: enable it there, or remove sslmode from DATABASE_URL',
    )
    t.match(
      sentenceAt(url, 'self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'),
      'has a certificate that cannot be verified (self-signed certificate): correct the host',
    )
    t.match(
      sentenceAt(url, 'Connection terminated unexpectedly'),
      'What listens at db.example.org:5433 does not speak PostgreSQL, or closed the connection: correct host and port',
    )
    const unknown = { syscall: 'getaddrinfo', code: 'ENOTFOUND' }
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND db.example.org'), unknown)
    t.match(toOperatorError(error, config), {
      message: 'The host name db.example.org is unknown (ENOTFOUND): correct it in DATABASE_URL',
    })
    t.end()
  },
)

t.test('a real refusal of a connection is found below the error of the pool', async (t) => {
  const closed = 'postgres://ada:hunter2@127.0.0.1:1/gate'
  const pool = createPool({ url: closed, size: 1 })
  t.teardown(() => pool.close())
  const error = await pool.query('select 1').catch((caught: unknown) => caught)
  t.type(error, AppError)
  t.match(toOperatorError(error, loadConfig({ DATABASE_URL: closed })), {
    message:
      'PostgreSQL does not answer at 127.0.0.1:1 (ECONNREFUSED): start it, or correct host and port in DATABASE_URL',
  })
})

t.test('a certificate that cannot be read is said with its path', (t) => {
  for (const path of ['/nowhere/root.pem', '/no where/root.pem']) {
    const file = encodeURIComponent(path)
    const DATABASE_URL = `postgres://ada:hunter2@db/gate?sslrootcert=${file}`
    try {
      new pg.Client({ connectionString: DATABASE_URL })
      t.fail('pg reads the file')
    } catch (error) {
      t.match(toOperatorError(error, loadConfig({ DATABASE_URL })), {
        message: `DATABASE_URL names a file that cannot be read: ${path} (ENOENT). Correct its path`,
      })
    }
  }
  t.end()
})

t.test('every form of a database URL has a place', (t) => {
  const places = {
    'postgres://db/gate': 'db:5432 has no database "gate"',
    'postgres://ada:x@[::1]:5433/gate': '[::1]:5433 has no database "gate"',
    'postgres://ada@db': 'db:5432 has no database "ada"',
    'postgres://ada:x@/my%20gate?host=/run/postgresql': '/run/postgresql has no database "my gate"',
    'postgres:///gate?host=/run/postgresql': '/run/postgresql has no database "gate"',
  }
  for (const [DATABASE_URL, place] of Object.entries(places)) {
    const error = Object.assign(new pg.DatabaseError('no', 0, 'error'), { code: '3D000' })
    const { message } = toOperatorError(error, loadConfig({ DATABASE_URL })) as Error
    t.match(message, `PostgreSQL at ${place}: create it`)
  }
  t.end()
})

t.test('an error that no operator can fix keeps its stack', (t) => {
  for (const error of [new TypeError('a bug'), new AppError('internal'), 'text']) {
    t.equal(toOperatorError(error, config), error)
    t.equal(toListenError(error, config), error)
  }
  t.end()
})

t.test('an address that cannot be listened on is said with the fix', (t) => {
  t.equal(
    listening('EADDRINUSE', { PORT: '3000' }),
    'PORT=3000 is taken on HOST=127.0.0.1: stop the program that listens there, or set another PORT, such as PORT=3001',
  )
  t.match(listening('EADDRINUSE', { PORT: '65535' }), 'such as PORT=3000')
  t.match(listening('EACCES', { PORT: '80' }), 'PORT=80 is forbidden to this user: set PORT to')
  t.match(
    listening('EADDRNOTAVAIL', { HOST: '192.0.2.1' }),
    'HOST=192.0.2.1 is not an address of this machine: set HOST to 127.0.0.1',
  )
  t.match(listening('ENOTFOUND', { HOST: 'nowhere.invalid' }), 'HOST=nowhere.invalid cannot be')
  t.match(listening('EAFNOSUPPORT', { HOST: '::1' }), 'HOST=::1 cannot be used here (EAFNOSUPPORT)')
  t.end()
})

t.test('real errors of listen() are these', async (t) => {
  const codeAt = (host: string, port: number) =>
    new Promise<string | undefined>((resolve) => {
      const server = createServer()
      t.teardown(() => server.close())
      server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
      server.listen(port, host, () => resolve(undefined))
    })
  t.equal(await codeAt('192.0.2.1', 0), 'EADDRNOTAVAIL')
  t.match(await codeAt('nowhere.invalid', 0), /ENOTFOUND|EAI_AGAIN/)
})

t.test('a DATA_DIR that cannot be used is said with the reason', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  for (const [DATA_DIR, reason] of [
    [file, 'it is a file, or below one (ENOTDIR)'],
    [join(file, 'below'), 'it is a file, or below one (ENOTDIR)'],
  ] as const) {
    const error = await loadOrCreateLocalSecret(DATA_DIR, 'keys-secret').catch(
      (caught: unknown) => caught,
    )
    const result = toOperatorError(error, loadConfig({ DATA_DIR }))
    t.match(result, { message: `DATA_DIR=${DATA_DIR} cannot be used: ${reason}` })
  }
  for (const code of ['EACCES', 'EROFS', 'ENOSPC']) {
    const error = Object.assign(new Error('no'), { code, path: join(folder, 'keys-secret') })
    const wrapped = new OperatorError('the embedded PostgreSQL', { cause: error })
    const { message } = toOperatorError(wrapped, loadConfig({ DATA_DIR: folder })) as Error
    t.match(message, new RegExp(`^DATA_DIR=${folder} cannot be used: .* \\(${code}\\)`))
  }
})

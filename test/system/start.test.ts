import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { forTests, keysSecret } from '../support/app.js'
import { gatehouse } from '../support/command-line.js'
import { testDatabase, urlOf } from '../support/database.js'
import { entry, freePort, spawnServer, untilReady } from '../support/server-process.js'
import { tcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

const piped = ['ignore', 'pipe', 'pipe'] as const

/** Starts a server that must end by itself. Returns the message of its last line. */
async function lastWords(t: Test, env: Record<string, string>): Promise<string> {
  const server = await spawnServer(t, env)
  t.equal(await server.exited, 1)
  const line = JSON.parse(server.output().trim().split('\n').at(-1) ?? '') as Record<string, string>
  t.equal(line.level, 'fatal')
  t.notOk('err' in line, 'no stack')
  t.notMatch(server.output(), 'hunter2')
  return line.msg ?? ''
}

const portOf = (server: Server) => String((server.address() as { port: number }).port)

t.test('a port that is taken is one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const PORT = portOf(other)
  const message = await lastWords(t, { DATABASE_URL: await testDatabase(t), PORT })
  t.match(message, `PORT=${PORT} is taken on HOST=127.0.0.1: stop the program that listens there`)
})

t.test('a database that does not exist is one line', async (t) => {
  const DATABASE_URL = urlOf(await testDatabase(t), 'nowhere')
  t.match(await lastWords(t, { DATABASE_URL }), 'has no database "nowhere": create it')
})

t.test('a password that PostgreSQL refuses is one line', async (t) => {
  const postgres = createServer((socket) => {
    socket.once('data', () => {
      const fields = ['SFATAL', 'VFATAL', 'C28P01', 'Mpassword authentication failed', '']
      const body = Buffer.from(fields.join('\0') + '\0')
      const head = Buffer.from('E....')
      head.writeInt32BE(body.length + 4, 1)
      socket.end(Buffer.concat([head, body]))
    })
    socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  t.teardown(() => postgres.close())
  await once(postgres, 'listening')
  const DATABASE_URL = `postgres://ada:hunter2@127.0.0.1:${portOf(postgres)}/gate`
  t.match(await lastWords(t, { DATABASE_URL }), 'refuses the password of user "ada"')
  const command = await gatehouse(DATABASE_URL, ['prune'])
  t.match(command, { code: 1, out: '', errors: /^PostgreSQL at \S+ refuses the password.*\n$/ })
})

t.test('a DATA_DIR that is a file is one line', async (t) => {
  const DATA_DIR = join(mkdtempSync(join(tmpdir(), 'gatehouse-')), 'file')
  writeFileSync(DATA_DIR, '')
  t.match(await lastWords(t, { DATA_DIR }), `DATA_DIR=${DATA_DIR} cannot be used: it is a file`)
})

t.test('a database that answers later is waited for', async (t) => {
  const link = await tcpProxy(t, await testDatabase(t))
  link.refuse()
  const server = await spawnServer(t, { DATABASE_URL: link.url })
  await until(() => server.output().includes('database does not answer, retrying'), 'a try')
  link.restore()
  await untilReady(server)
})

t.test('.env is read by the server and by commands; its faults have lines', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  const url = await testDatabase(t)
  writeFileSync(join(cwd, '.env'), `DATABASE_URL=${url}\nAPP_NAME="Acme Paper"\nPROT=1\n`)
  const server = await spawnServer(t, {}, [...piped], cwd)
  await untilReady(server)
  t.match(await (await fetch(`${server.origin}/login`)).text(), 'Acme Paper')
  t.match(server.output(), 'PROT is not a variable of Gatehouse and is ignored: did you mean PORT?')
  const listed = await gatehouse('', ['users', 'list'], {}, '', cwd)
  t.match(listed, { code: 0, errors: /^Warning: PROT is not .*\n$/ })

  writeFileSync(join(cwd, '.env'), `DATABASE_URL=${url}\nhunter2\nPORT=1\n`)
  const refused = await spawnServer(t, { TRUST_PROXY: 'maybe' }, [...piped], cwd)
  t.equal(await refused.exited, 1)
  t.match(refused.output(), '\n- .env line 2 must be NAME=value')
  t.match(refused.output(), '\n- TRUST_PROXY must be')
  t.notMatch(refused.output(), 'hunter2')
})

t.test('on a terminal the log is for people, and a banner says what to do next', async (t) => {
  const PORT = await freePort()
  const env = { DATABASE_URL: await testDatabase(t), PORT: String(PORT), KEYS_SECRET: keysSecret }
  const command = `exec ${process.execPath} ${entry}`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', ...forTests, NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill())
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = Promise.resolve(null)
  await untilReady({ origin: `http://127.0.0.1:${PORT}`, child, output: () => output, exited })
  await until(() => output.includes('create-admin'), 'the banner')
  t.match(output, `is ready: http://localhost:${PORT}`)
  await fetch(`http://127.0.0.1:${PORT}/login?token=hunter2`)
  await until(() => /info {2}GET \/login 200 \d+ ms\r\n/.test(output), 'the line of the request')
  t.notMatch(output, /hunter2|"level"|\u001b/)
})

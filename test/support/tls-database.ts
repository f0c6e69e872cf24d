import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import type { Test } from 'tap'

/** The first bytes of a client that asks for TLS: length 8, code 80877103. */
const sslRequest = '0000000804d2162f'

/** A PostgreSQL with TLS, which passes everything on to the database at `url`. `certFile` is its certificate, and its own CA. */
export async function tlsDatabase(t: Test, url: string, name = 'IP:127.0.0.1') {
  const folder = await mkdtemp(join(tmpdir(), 'tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const names = ['-subj', '/CN=test', '-addext', `subjectAltName=${name}`]
  const files = ['-keyout', keyFile, '-out', certFile, '-days', '2']
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...names, ...files])
  const secureContext = createSecureContext({
    key: await readFile(keyFile),
    cert: await readFile(certFile),
  })
  const { hostname, port } = new URL(url)
  const count = { encrypted: 0, plain: 0 }
  const sockets = new Set<Socket>()

  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', (first) => {
      if (first.toString('hex') !== sslRequest) {
        count.plain += 1
        passOn(socket, first)
        return
      }
      socket.write('S')
      const encrypted = new TLSSocket(socket, { isServer: true, secureContext })
      encrypted.on('error', () => undefined)
      encrypted.once('secure', () => (count.encrypted += 1))
      passOn(encrypted)
    })
  }).listen(0, '127.0.0.1')

  function passOn(client: Socket, first?: Buffer): void {
    const database = connect(Number(port), hostname)
    sockets.add(database)
    database.on('error', () => client.destroy())
    client.on('close', () => database.destroy())
    if (first) database.write(first)
    client.pipe(database).pipe(client)
  }

  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const here = new URL(url)
  here.host = `127.0.0.1:${String((server.address() as AddressInfo).port)}`
  return { url: here.href, certFile, count }
}

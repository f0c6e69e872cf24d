import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'

/** Terminates TLS for any host name, with a certificate of its own, as a reverse proxy does. @returns its port */
export async function tlsProxy(t: Test, target: (host: string) => string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', keyFile, '-out', certFile, '-days', '2', '-subj', '/CN=test']
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...files])
  const [key, cert] = await Promise.all([readFile(keyFile), readFile(certFile)])

  const server = createServer({ key, cert }, (incoming, outgoing) => {
    const { headers, method, url, socket } = incoming
    const { hostname, port } = new URL(target(headers.host ?? ''))
    const passed = request(
      {
        hostname,
        port,
        method,
        maxHeaderSize: 65_536,
        path: url,
        headers: {
          ...headers,
          'x-forwarded-proto': 'https',
          'x-forwarded-host': headers.host,
          'x-forwarded-for': socket.remoteAddress,
        },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { answersLive, scratch, start, writeApacheConfig } from '../proxy-servers.js'
import { freePort } from '../server-process.js'
import { fetchPem, type Service, type Verify } from './node.js'

/** HAProxy and Apache in front of a page, set up as their manuals say to verify a token. */
export async function serverVerifiers(t: Test, service: Service): Promise<Record<string, Verify>> {
  const { algorithm } = service
  if (algorithm === 'EdDSA') return {} // neither has it
  const oidc = await openidc(t, service)
  const strict = await haproxy(t, service, true)
  return {
    HAProxy: strict,
    'HAProxy, lax': await haproxy(t, service, false),
    mod_auth_openidc: oidc,
  }
}

function ask(port: number): Verify {
  return async (token) => {
    const answer = await fetch(`http://127.0.0.1:${port}/index.html`, {
      headers: { authorization: `Bearer ${token}` },
    })
    if (answer.status !== 200) throw new Error(String(answer.status))
  }
}

/** `isStrict`: with the claims, as HAProxy's own example; else the signature alone, by the token's own alg. */
async function haproxy(t: Test, service: Service, isStrict: boolean): Promise<Verify> {
  const { origin, algorithm, issuer, audience } = service
  const folder = await scratch(t)
  const pem = join(folder, 'key.pem')
  const file = join(folder, 'haproxy.cfg')
  const port = await freePort()
  await writeFile(pem, await fetchPem(origin))
  const checks = `
  http-request deny deny_status 401 unless { var(txn.alg) -m str ${algorithm} }
  http-request deny deny_status 401 unless { var(txn.iss) -m str ${issuer} }
  http-request deny deny_status 401 unless { var(txn.aud) -m str ${audience} }
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }`
  await writeFile(
    file,
    `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend tokens
  bind 127.0.0.1:${port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
  http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')${isStrict ? checks : ''}
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${pem}") -m int 1 }
  http-request return status 200 content-type text/plain string in
`,
  )
  await start(t, '/usr/sbin/haproxy', ['-db', '-f', file], folder, port, answersLive([401]))
  return ask(port)
}

/** The JWK set over https, which the module of Apache insists on, by a certificate that nobody knows. */
async function overHttps(t: Test, origin: string): Promise<string> {
  const folder = await scratch(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-days', '1', '-keyout', key, '-out', cert]
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    ...subject,
  ])
  const set = await (await fetch(`${origin}/.well-known/jwks.json`)).text()
  const files = { key: await readFile(key), cert: await readFile(cert) }
  const server = createServer(files, (_request, response) => response.end(set))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** As an OAuth 2.0 resource server. */
async function openidc(t: Test, { origin, issuer, audience }: Service): Promise<Verify> {
  const folder = await scratch(t)
  const port = await freePort()
  await writeFile(join(folder, 'index.html'), 'in')
  const file = await writeApacheConfig(
    folder,
    port,
    'mpm_event authn_core authz_core authz_user auth_openidc',
    `DocumentRoot ${folder}
OIDCOAuthVerifyJwksUri ${await overHttps(t, origin)}
OIDCOAuthSSLValidateServer Off
OIDCOAuthRemoteUserClaim sub
<Location />
  AuthType oauth20
  <RequireAll>
    Require claim iss:${issuer}
    Require claim aud:${audience}
  </RequireAll>
</Location>
`,
  )
  await start(t, '/usr/sbin/apache2', ['-X', '-f', file], folder, port, answersLive([401]))
  return ask(port)
}

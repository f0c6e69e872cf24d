import type { Algorithm } from '@gatehouse/verify/protocol'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { listeningApp, signUp } from '../support/app.js'
import { libraryVerifiers } from '../support/verifiers/libraries.js'
import type { Service } from '../support/verifiers/node.js'
import { serverVerifiers } from '../support/verifiers/servers.js'

const script = fileURLToPath(new URL('../support/verifiers/verify.py', import.meta.url))

/** What each of the Python libraries of Debian says of these tokens. */
async function askPython(service: Service, tokens: string[]): Promise<Record<string, boolean[]>> {
  const { origin, issuer, audience, algorithm } = service
  const uri = `${origin}/.well-known/jwks.json`
  const child = spawn('/usr/bin/python3', [script])
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  child.stdin.end(JSON.stringify({ uri, issuer, audience, algorithm, tokens }))
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(errors)
  return JSON.parse(out) as Record<string, boolean[]>
}

async function askNode(t: Test, service: Service, tokens: string[]) {
  const verifiers = { ...libraryVerifiers(service), ...(await serverVerifiers(t, service)) }
  const answers = Object.entries(verifiers).map(async ([name, verify]) => {
    const accepted = tokens.map((token) =>
      verify(token).then(
        () => true,
        () => false,
      ),
    )
    return [name, await Promise.all(accepted)] as const
  })
  return Object.fromEntries(await Promise.all(answers))
}

/** Those that cannot verify the algorithm, and so refuse every token. */
const unable: Partial<Record<Algorithm, RegExp>> = {
  EdDSA: /^(express-jwt|passport-jwt|python-jose)/,
}

for (const algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
  t.test(`${algorithm}: other people's verifiers take access tokens alone`, async (t) => {
    const { app, origin, config } = await listeningApp(t, { env: { JWT_ALGORITHM: algorithm } })
    const { access_token, refresh_token } = await signUp(app)
    const revocations = (await app.inject('/.well-known/revocations')).body
    const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = config
    const service = { origin, algorithm, issuer, audience }
    const [head, , signature] = access_token.split('.')
    const [, payload] = refresh_token.split('.')
    const forged = [head, payload, signature].join('.')
    const tokens = [access_token, refresh_token, forged, revocations]
    const answers = {
      ...(await askNode(t, service, tokens)),
      ...(await askPython(service, tokens)),
    }
    t.ok(Object.keys(answers).length >= 14, Object.keys(answers).join(', '))
    for (const [name, [access, refresh, forgery, list]] of Object.entries(answers)) {
      t.equal(access, !unable[algorithm]?.test(name), `${name}: the access token`)
      t.equal(refresh, false, `${name}: the refresh token`)
      t.equal(forgery, false, `${name}: a forged token`)
      if (!name.endsWith('lax')) t.equal(list, false, `${name}: the list of revocations`)
    }
  })
}

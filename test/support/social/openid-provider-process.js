// A real OpenID provider, until its standard input ends. Plain JavaScript, so that it needs no
// loader. Its first line of output is its issuer; its first argument the clients that it knows.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const clients = JSON.parse(process.argv[2])
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${server.address().port}`
const { privateKey } = await generateKeyPair('RS256', { extractable: true })

// For a browser, buttons that post the JSON which signIn() takes: a plain text form is `name=value`.
const people = [
  { sub: 'ada-1', email: 'ada@example.org', email_verified: true, name: 'Ada' },
  { sub: 'grace-1', email: 'admiral@example.org', email_verified: true, name: 'Grace' },
]
const page = `Who are you?${people
  .map((person) => {
    const name = JSON.stringify({ ...person, _: '' })
      .slice(0, -2)
      .replaceAll('"', '&quot;')
    const field = `<input type="hidden" name="${name}" value='"}'>`
    return `<form method="post" enctype="text/plain">${field}<button>${person.name}</button></form>`
  })
  .join('')}`

/** Who signed in, by subject, with the claims that they gave last. */
const accounts = new Map()

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256', kid: 'first' }] },
  cookies: { keys: ['a key of the cookies in these tests'] },
  pkce: { required: () => true },
  scopes: ['openid', 'email', 'profile'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => accounts.get(accountId) }),
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
})
const handle = provider.callback()

server.on('request', (request, response) => {
  const ours = request.url.startsWith('/interaction/') && request.method === 'POST'
  if (ours) void signIn(request, response)
  else if (request.url.startsWith('/interaction/'))
    response.writeHead(200, { 'content-type': 'text/html' }).end(page)
  else handle(request, response)
})

/** The body is JSON: the claims of who signs in, or the error that the provider is to answer. */
async function signIn(request, response) {
  const { params } = await provider.interactionDetails(request, response)
  const person = JSON.parse(await textOf(request))
  if (person.error) return provider.interactionFinished(request, response, person)
  accounts.set(person.sub, person)
  const grant = new provider.Grant({ accountId: person.sub, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  const consent = { grantId: await grant.save() }
  return provider.interactionFinished(request, response, {
    login: { accountId: person.sub },
    consent,
  })
}

async function textOf(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

process.stdout.write(`${issuer}\n`)
process.stdin.resume().on('end', () => process.exit(0))

// A site on a host of its own whose users log in at Gatehouse. docs/another-host.md says how to run it.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import * as client from 'openid-client'

const issuer = new URL(process.env.GATEHOUSE ?? 'http://localhost:3000')
const home = new URL(process.env.APP ?? 'http://shop.localhost:4000')
const { client_id, client_secret } = process.env
const redirect_uri = new URL('/callback', home).href
const isSecure = home.protocol === 'https:'
const prefix = isSecure ? '__Host-' : ''
const attributes = `; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`

const gatehouse = await client.discovery(
  issuer,
  client_id,
  undefined,
  client.ClientSecretBasic(client_secret),
  {
    algorithm: 'oauth2',
    execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
  },
)

/** The tokens of each session of this site. In production, use a store with an expiry. */
const sessions = new Map()

const cookie = ({ headers }, name) =>
  headers.cookie
    ?.split('; ')
    .find((pair) => pair.startsWith(`${prefix}${name}=`))
    ?.split('=')[1]

const redirect = (response, location, cookies = []) =>
  response.writeHead(303, { location, 'set-cookie': cookies, 'cache-control': 'no-store' }).end()

async function logIn(response) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const url = client.buildAuthorizationUrl(gatehouse, {
    redirect_uri,
    state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  redirect(response, url.href, [`${prefix}login=${state}.${verifier}; Max-Age=600${attributes}`])
}

/** The library compares `state` and `iss`, and exchanges the code. A browser without the cookie is refused. */
async function finish(request, response) {
  const [expectedState, pkceCodeVerifier] = cookie(request, 'login')?.split('.') ?? []
  if (!expectedState)
    return response.writeHead(400).end('This login was not started in this browser.')
  const checks = { expectedState, pkceCodeVerifier }
  const tokens = await client.authorizationCodeGrant(gatehouse, new URL(request.url, home), checks)
  const id = randomUUID()
  sessions.set(id, tokens)
  redirect(response, '/account', [
    `${prefix}login=; Max-Age=0${attributes}`,
    `${prefix}shop=${id}${attributes}`,
  ])
}

async function showAccount(request, response) {
  const tokens = sessions.get(cookie(request, 'shop'))
  if (!tokens) return logIn(response)
  const authorization = `Bearer ${tokens.access_token}`
  const answer = await fetch(new URL('/api/user', issuer), { headers: { authorization } })
  if (answer.status === 401) {
    // Expired: a site that is more than an example refreshes first.
    sessions.delete(cookie(request, 'shop'))
    return logIn(response)
  }
  response.setHeader('content-type', 'application/json').end(JSON.stringify(await answer.json()))
}

async function logOut(request, response) {
  const tokens = sessions.get(cookie(request, 'shop'))
  sessions.delete(cookie(request, 'shop'))
  if (tokens) await client.tokenRevocation(gatehouse, tokens.refresh_token)
  redirect(response, '/', [`${prefix}shop=; Max-Age=0${attributes}`])
}

const pages = {
  'GET /account': showAccount,
  'GET /callback': finish,
  'POST /logout': logOut,
}

createServer((request, response) => {
  const { pathname } = new URL(request.url, home)
  const page = pages[`${request.method} ${pathname}`]
  if (!page) return response.end('<a href="/account">Your account</a>')
  page(request, response).catch((error) => {
    console.error(error.code ?? error.message)
    response.writeHead(400).end('The login failed. Start again.')
  })
}).listen(Number(home.port) || 4000, () => console.log(`${home.href}account`))

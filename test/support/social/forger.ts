import {
  constants,
  createHmac,
  generateKeyPairSync,
  randomBytes,
  sign as signBytes,
  type KeyObject,
} from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { localServer, sendJson, type Asked } from './local-server.js'

type Fields = Record<string, unknown>

/** Takes over an answer; `good` is what it would be. */
export type Reply = (response: ServerResponse, good: Fields) => void

/** What there is to sign with. */
export type Keys = {
  own: KeyObject
  /** The own one's public half in PEM. */
  published: string
  foreign: KeyObject
}

/** What one login differs in from an honest one; a field that is `undefined` is left out. */
export type Forgery = {
  /** The query of the way back: its parameters, or all of its text. */
  callback?: Fields | string
  header?: Fields
  /** Of the ID token. */
  claims?: Fields
  /** Of userinfo, or all of its answer. */
  userinfo?: Fields | Reply
  /** Signs with another key than the own one; a text is one for HMAC. */
  key?: (keys: Keys) => KeyObject | string
  /** In place of the signed ID token. */
  idToken?: (good: { header: Fields; claims: Fields; signed: string }) => unknown
  /** Of the token endpoint's answer, or all of it. */
  token?: Fields | Reply
}

/** What a forger answers wrong to everybody. */
export type Start = { discovery?: Fields | Reply; jwks?: Fields | Reply }

export const forgerClient = { id: 'gatehouse', secret: 'what the forger and gatehouse share' }

const makeKeys = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
const own = makeKeys()
const keys: Keys = {
  own: own.privateKey,
  published: own.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  foreign: makeKeys().privateKey,
}
const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'own', use: 'sig' }

/** An OpenID provider whose every answer a test can replace, until the test ends. */
export async function startForger(t: Test, publicUrl: string, start: Start = {}) {
  const logins = new Map<string, { forgery: Forgery; nonce: string | null }>()
  const paths: string[] = []
  const issuer = await localServer(t, serve)

  function serve(request: Asked, response: ServerResponse): void {
    const [path = ''] = (request.url ?? '').split('?')
    paths.push(path)
    if (path === '/.well-known/openid-configuration') {
      answer(response, discovery(), start.discovery)
    } else if (path === '/jwks') answer(response, { keys: [jwk] }, start.jwks)
    else if (path === '/token') token(request, response)
    else if (path === '/userinfo') userinfo(request, response)
    else response.writeHead(404).end()
  }

  const discovery = () => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
    authorization_response_iss_parameter_supported: true,
  })

  function token({ body }: Asked, response: ServerResponse): void {
    const code = new URLSearchParams(body).get('code') ?? ''
    const { forgery, nonce } = logins.get(code) ?? {}
    if (!forgery) {
      sendJson(response, 400, { error: 'invalid_grant' })
      return
    }
    const now = Math.floor(Date.now() / 1_000)
    const times = { iat: now, exp: now + 300 }
    const honest = { iss: issuer, sub: subjectOf(code), aud: forgerClient.id, ...times, nonce }
    const header = defined({ alg: 'RS256', kid: 'own', typ: 'JWT', ...forgery.header })
    const claims = defined({ ...honest, ...forgery.claims })
    const signed = sign(header, claims, forgery.key?.(keys) ?? keys.own)
    const id_token = forgery.idToken ? forgery.idToken({ header, claims, signed }) : signed
    const good = { access_token: code, token_type: 'Bearer', expires_in: 300, id_token }
    answer(response, good, forgery.token)
  }

  function userinfo({ headers }: Asked, response: ServerResponse): void {
    const code = (headers.authorization ?? '').replace('Bearer ', '')
    const login = logins.get(code)
    const sub = subjectOf(code)
    const good = { sub, email: emailOf(code), email_verified: true, name: 'Mallory' }
    if (login) answer(response, good, login.forgery.userinfo)
    else sendJson(response, 401, { error: 'invalid_token' })
  }

  return {
    issuer,
    /** The paths that were asked for, in order. */
    paths,
    env: {
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: forgerClient.id,
      OIDC_CLIENT_SECRET: forgerClient.secret,
    },

    /** The visitor signed in: where they are sent back to, and the address that they have there. */
    back(page: URL, forgery: Forgery = {}): { callback: URL; code: string; email: string } {
      const code = randomBytes(10).toString('hex')
      logins.set(code, { forgery, nonce: page.searchParams.get('nonce') })
      const callback = new URL(`${publicUrl}/auth/oidc/callback`)
      if (typeof forgery.callback === 'string') {
        callback.search = forgery.callback
          .replaceAll('CODE', code)
          .replaceAll('STATE', page.searchParams.get('state') ?? '')
      } else {
        const state = page.searchParams.get('state')
        const good = defined({ code, state, iss: issuer, ...forgery.callback })
        for (const [name, value] of Object.entries(good)) {
          callback.searchParams.set(name, String(value))
        }
      }
      return { callback, code, email: emailOf(code) }
    },
  }
}

export type Forger = Awaited<ReturnType<typeof startForger>>

export const subjectOf = (code: string) => `subject-${code}`
export const emailOf = (code: string) => `mallory-${code}@example.org`

/** A whole answer. */
export const reply =
  (status: number, body: string | Buffer, type = 'application/json', headers: object = {}): Reply =>
  (response) =>
    response.writeHead(status, { 'content-type': type, ...headers }).end(body)

/** An answer that waits: once it is asked for, `asked` has what lets it go. */
export function held(): { reply: Reply; asked: Promise<() => void> } {
  let tell: (letGo: () => void) => void
  const asked = new Promise<() => void>((resolve) => (tell = resolve))
  const reply: Reply = (response, good) => tell(() => sendJson(response, 200, good))
  return { reply, asked }
}

/** No answer at all. */
export const silence: Reply = () => undefined

/** A JSON Web Token with any signature, or none. */
export function unsigned(header: Fields, claims: Fields, signature = ''): string {
  const part = (fields: Fields) => Buffer.from(JSON.stringify(fields)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

/** By RS256, PS256 or HS256, whatever the header says beside. */
function sign(header: Fields, claims: Fields, key: KeyObject | string): string {
  const text = unsigned(header, claims).slice(0, -1)
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const signature =
    typeof key === 'string'
      ? createHmac('sha256', key).update(text).digest()
      : signBytes('sha256', Buffer.from(text), { key, ...(header.alg === 'PS256' && pss) })
  return `${text}.${signature.toString('base64url')}`
}

function answer(response: ServerResponse, good: Fields, forged: Fields | Reply = {}): void {
  if (typeof forged === 'function') forged(response, good)
  else sendJson(response, 200, { ...good, ...forged })
}

const defined = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

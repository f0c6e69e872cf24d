import type { Algorithm } from '@gatehouse/verify/protocol'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createPool } from '../../../src/db/pool.js'
import { createSeal } from '../../../src/crypto/seal.js'
import type { KeyPair } from '../../../src/features/tokens/key-pair.js'
import { createKeyRepository } from '../../../src/features/tokens/key-repository.js'
import { keysSecret, listeningApp, signUp } from '../app.js'
import { testDatabase } from '../database.js'
import { exchange, toBytes } from '../http/connection.js'
import { jwkOf, type Case, type Kit, type Verdict } from './kit.js'

/** The service with a key of every algorithm in its database, listening, and one user logged in. */
export async function listenWithKeys(
  t: Test,
  algorithm: Algorithm,
  { keys, stranger }: Pick<Kit, 'keys' | 'stranger'>,
) {
  const url = await testDatabase(t)
  await storeKeys(url, Object.values(keys))
  // Ahead of the real clock, so that the library's own look at it never decides about `exp`.
  const now = Math.floor(Date.now() / 1_000) + 90
  const env = { JWT_ALGORITHM: algorithm }
  const service = await listeningApp(t, { url, env, now: () => new Date(now * 1_000) })
  const canary = await openCanary(t, stranger)
  const { access_token: good, refresh_token: refresh } = await signUp(service.app)
  const [header, claims] = good.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  const kit: Kit = {
    algorithm,
    keys,
    stranger,
    good,
    refresh,
    header: JSON.parse(header ?? '') as Kit['header'],
    claims: JSON.parse(claims ?? '') as Kit['claims'],
    now,
    ttl: service.config.ACCESS_TOKEN_TTL,
    canary: canary.origin,
  }
  return { ...service, kit, queries: countQueries(service.db), canaryHits: canary.hits }
}

/** As a change of JWT_ALGORITHM leaves them behind. */
async function storeKeys(url: string, pairs: KeyPair[]): Promise<void> {
  const db = createPool({ url, size: 1 })
  const keys = createKeyRepository(db, createSeal(keysSecret, 'signing keys'))
  for (const pair of pairs) await keys.add(pair, 0)
  await db.close()
}

/** All but those that are asked from time to time, whatever comes in: of the outbox, the keys, the denylist. */
function countQueries(db: { query: unknown }): () => number {
  let count = 0
  const query = db.query as (...values: unknown[]) => unknown
  db.query = (...values: unknown[]) => {
    if (!/\b(outbox|key_ring)\b/.test(String(values[0]))) count += 1
    return query(...values)
  }
  return () => count
}

/** Serves a key set of the stranger to whoever follows an address in a token. */
async function openCanary(t: Test, { algorithm, kid, ...stranger }: KeyPair) {
  let hits = 0
  const keys =
    algorithm === 'HS256'
      ? []
      : [{ ...jwkOf({ algorithm, kid, ...stranger }), kid, alg: algorithm }]
  const server = createServer((_request, response) => {
    hits += 1
    response.end(JSON.stringify({ keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, hits: () => hits }
}

/** What came back, as far as it may differ: two answers that are told apart tell something. */
export type Reply = {
  status: number
  body: string
  challenge: string | undefined
  cookie: string | undefined
  inTime: boolean
}

/** Byte for byte, over a connection of its own. */
export async function send(origin: string, sent: Case[1]): Promise<Reply> {
  const request =
    typeof sent === 'string'
      ? { target: '/api/user', headers: [`Authorization: Bearer ${sent}`] }
      : sent
  const { answers, end, ms } = await exchange(origin, toBytes(request))
  const [answer] = answers
  const inTime = end === 'closed' && answers.length === 1 && ms < 1_000
  if (!answer) return { status: 0, body: '', challenge: undefined, cookie: undefined, inTime }
  const { status, body, headers } = answer
  const challenge = headers['www-authenticate']?.split(' ')[0]
  return { status, body, challenge, cookie: headers['set-cookie'], inTime }
}

const refusal = (status: number, code: string, message: string, challenge?: string): Reply => ({
  status,
  body: JSON.stringify({ status: 'error', code, message }),
  challenge,
  cookie: undefined,
  inTime: true,
})

/** Written out, so that a change of what clients see is seen here. */
export const replies: Record<Verdict, Reply> = {
  invalid_token: refusal(401, 'invalid_token', 'Not logged in', 'Bearer'),
  cookies_removed: {
    ...refusal(401, 'invalid_token', 'Not logged in', 'Bearer'),
    cookie:
      'refresh=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax',
  },
  token_stale: refusal(401, 'token_stale', 'The token is out of date: refresh it', 'Bearer'),
  bad_request: refusal(400, 'bad_request', 'The request cannot be understood'),
  headers_too_large: refusal(431, 'headers_too_large', 'The headers are too large'),
}

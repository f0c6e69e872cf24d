import { createDecoder } from 'fast-jwt'
import { refusal } from './errors.js'
import { createRevocationFeed, maxAnswer } from './feed.js'
import { get, type Fetch } from './http.js'
import { createKeySet, type PublicKey } from './keys.js'
import { areClaims, type AccessClaims } from './protocol/claims.js'
import { isCompact, keyForHeader } from './protocol/compact.js'
import { createEntries } from './protocol/entries.js'
import { judge } from './protocol/judge.js'
import { createVerifiedTokens } from './protocol/verified.js'

export type VerifierOptions = {
  /** `JWT_ISSUER` of the service: its `PUBLIC_URL`, unless it was set. */
  issuer: string
  /** `JWT_AUDIENCE` of the service. */
  audience?: string
  /** Where the service is reached; the issuer, unless it is another address. */
  url?: string
  fetch?: Fetch
  /** For how long tokens are accepted when nothing is heard of revocations; in milliseconds, 2,000 or more. */
  maxStale?: number
  /** Told why something could not be asked, at every try. */
  onError?: (error: Error) => void
  /** The clock by which tokens expire. */
  now?: () => Date
}

/** Claims of an access token. */
export type Claims = Readonly<AccessClaims>

export type Verifier = ReturnType<typeof createVerifier>

const most = 5_000
const least = 2_000
const decode = createDecoder({ complete: true }) as (token: string) => {
  header: Record<string, unknown>
}

/**
 * Verifies access tokens as the service itself would, without asking it: the keys and what is revoked
 * are kept here. What cannot be known is refused.
 */
export function createVerifier(options: VerifierOptions) {
  const { issuer, audience = 'gatehouse', maxStale = 5_000, onError = ignore } = options
  if (!(maxStale >= least)) throw new RangeError(`maxStale must be ${String(least)} or more`)
  const { url: base = issuer, now = () => new Date() } = options
  const fetch: Fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const stopping = new AbortController()
  const { signal } = stopping
  const clock = () => performance.now()

  const verified = createVerifiedTokens({ most })
  const entries = createEntries()
  const onChange = verified.clear
  const keys = createKeySet({ read: readKeys, issuer, audience, onChange, clock })
  const feed = createRevocationFeed({
    ...{ entries, keys, read: readFeed, maxStale, onChange, onError, clock, signal },
  })
  const { promise: ready, resolve, reject } = deferred()
  const running = feed.run(resolve)

  return {
    verify,

    /** Resolves when all that is revoked is known; rejects if that is closed before. */
    ready,

    /** Whether tokens can be told good from revoked at present. */
    isReady: feed.isFresh,

    async close(): Promise<void> {
      stopping.abort()
      reject(refusal('unavailable'))
      await running
    },
  }

  function readKeys() {
    const url = new URL('/.well-known/jwks.json', base)
    return get(fetch, { url, accept: 'application/json', timeout: 1_000, most: 262_144, signal })
  }

  /** The list of all may take its time; of what is new there is little. */
  function readFeed(after: string | undefined) {
    const url = new URL('/.well-known/revocations', base)
    if (after !== undefined) url.searchParams.set('after', after)
    const timeout = feed.isFresh() ? 1_000 : 5_000
    return get(fetch, { url, accept: 'application/jwt', timeout, most: maxAnswer, signal })
  }

  /**
   * The claims of a token that is genuine, alive and not revoked; a promise only where its key has to be
   * asked for, so `await` it.
   * @throws an error with `code` `invalid_token`, `token_stale` (a refresh heals it) or `unavailable`,
   *   `statusCode` and `headers`
   */
  function verify(token: string): Claims | Promise<Claims> {
    if (typeof (token as unknown) !== 'string') throw refusal('invalid_token') // from JavaScript
    const claims = verified.get(token)
    if (claims) return admit(claims)
    const header = headerOf(token)
    if (!feed.isFresh()) throw refusal('unavailable')
    const key = keyForHeader(keys, header, 'at+jwt')
    if (key) return admit(check(key, token))
    const { kid } = header
    if (typeof kid !== 'string' || keys.find(kid)) throw refusal('invalid_token')
    return verifyByNew(kid, header, token)
  }

  async function verifyByNew(kid: string, header: Record<string, unknown>, token: string) {
    await keys.findNew(kid).catch((error: unknown) => {
      throw refusal('unavailable', error)
    })
    const key = keyForHeader(keys, header, 'at+jwt')
    if (!key) throw refusal('invalid_token')
    return admit(check(key, token))
  }

  function check(key: PublicKey, token: string): AccessClaims {
    const claims = payloadOf(key, token)
    const bounds = { issuer, audience, maxLifetime: feed.lifetime(), now: now() }
    if (!areClaims('at+jwt', claims, bounds)) {
      throw refusal('invalid_token')
    }
    Object.freeze(claims.roles)
    verified.add(token, Object.freeze(claims))
    return claims
  }

  function admit(claims: AccessClaims): Claims {
    if (now().getTime() >= claims.exp * 1_000) throw refusal('invalid_token')
    if (!feed.isFresh()) throw refusal('unavailable')
    const fault = judge(claims, entries)
    if (fault) throw refusal(fault)
    return claims
  }
}

function headerOf(token: unknown): Record<string, unknown> {
  if (typeof token !== 'string' || !isCompact(token)) throw refusal('invalid_token')
  try {
    return decode(token).header
  } catch (error) {
    throw refusal('invalid_token', error)
  }
}

function payloadOf({ verify }: PublicKey, token: string): unknown {
  try {
    return verify['at+jwt'](token)
  } catch (error) {
    throw refusal('invalid_token', error)
  }
}

const ignore = () => undefined

function deferred() {
  let resolve: () => void = ignore
  let reject: (error: Error) => void = ignore
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  promise.catch(ignore)
  return { promise, resolve, reject }
}

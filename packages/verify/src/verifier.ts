import { oldLogin, refusal, weakLogin } from './errors.js'
import { createRevocationFeed, maxAnswer } from './feed.js'
import { get, type Fetch } from './http.js'
import { createKeySet, type PublicKey } from './keys.js'
import { areClaims, type AccessClaims } from './protocol/claims.js'
import { createEntries } from './protocol/entries.js'
import { findFault } from './protocol/fault.js'
import { keyForHeader } from './protocol/jose-header.js'
import { parseJws, type Jws } from './protocol/jws.js'
import { createVerifiedTokens } from './protocol/verified.js'

export type VerifierOptions = {
  /** `JWT_ISSUER` of the service; by default that is its `PUBLIC_URL`. */
  issuer: string
  /** `JWT_AUDIENCE` of the service. */
  audience?: string
  /** The address of the service, if it is not the issuer. */
  url?: string
  fetch?: Fetch
  /** After this many milliseconds without an answer of the service, every token is refused; 2,000 or more. */
  maxStale?: number
  /** Receives the error of each failed request to the service. */
  onError?: (error: Error) => void
  /** The clock for the expiry of tokens. */
  now?: () => Date
}

export type Claims = Readonly<AccessClaims>

export type VerifyRules = {
  /** The maximum age of the login, in seconds. A token without `auth_time` is refused. */
  maxAge?: number
  /** Whether the user must have given a second factor: the claim `amr` has `mfa`. */
  mfa?: boolean
}

export type Verifier = ReturnType<typeof createVerifier>

const maxVerified = 5_000
const minStale = 2_000
const maxKeySet = 262_144

/**
 * Verifies access tokens locally, by the rules of the service, with keys and revocations in memory. If the
 * revocations are out of date, it refuses every token.
 */
export function createVerifier(options: VerifierOptions) {
  const { issuer, audience = 'gatehouse', maxStale = 5_000, onError = ignore } = options
  if (!(maxStale >= minStale))
    throw new RangeError(`maxStale must be ${String(minStale)} ms or more`)
  const { url: base = issuer, now = () => new Date() } = options
  const fetch: Fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const stopping = new AbortController()
  const { signal } = stopping
  const clock = () => performance.now()

  const verified = createVerifiedTokens({ max: maxVerified })
  const entries = createEntries()
  const onChange = verified.clear
  const keys = createKeySet({ read: readKeys, onChange, clock })
  const feed = createRevocationFeed({
    ...{ issuer, entries, keys, read: readFeed, maxStale, onChange, onError, clock, signal },
  })
  const { promise: ready, resolve, reject } = deferred()
  const running = feed.run(resolve)

  return {
    verify,

    /** Resolves when the verifier has read all revocations. Rejects if it is closed before that. */
    ready,

    /** Whether the revocations are up to date. If not, every token is refused. */
    isReady: feed.isWithinLease,

    async close(): Promise<void> {
      stopping.abort()
      reject(refusal('unavailable'))
      await running
    },
  }

  function readKeys() {
    const url = new URL('/.well-known/jwks.json', base)
    const request = { url, accept: 'application/json', timeout: 1_000, maxBytes: maxKeySet, signal }
    return get(fetch, request)
  }

  /** The timeout is longer for the whole list than for changes. */
  function readFeed(after: string | undefined) {
    const url = new URL('/.well-known/revocations', base)
    if (after !== undefined) url.searchParams.set('after', after)
    const timeout = feed.isWithinLease() ? 1_000 : 5_000
    return get(fetch, { url, accept: 'application/jwt', timeout, maxBytes: maxAnswer, signal })
  }

  /**
   * Returns the claims of a token that has a valid signature, is not expired and not revoked. The result is a
   * promise only if the key must be loaded first, so `await` it.
   * @throws an error with `code` `invalid_token`, `token_stale` (refresh the token), `unavailable` or
   *   `insufficient_user_authentication` (log in again), `statusCode` and `headers`
   */
  function verify(token: string, rules: VerifyRules = {}): Claims | Promise<Claims> {
    const { maxAge, mfa } = rules
    if (maxAge === undefined && !mfa) return verifyToken(token)
    if (maxAge !== undefined && !(maxAge >= 0 && maxAge < Infinity))
      throw new RangeError('maxAge must be 0 or more')
    const claims = verifyToken(token)
    return claims instanceof Promise
      ? claims.then((found) => requireLogin(found, rules))
      : requireLogin(claims, rules)
  }

  function requireLogin(claims: Claims, { maxAge = Infinity, mfa }: VerifyRules): Claims {
    const { amr = [], auth_time = -Infinity } = claims
    if (mfa && !amr.includes('mfa')) throw weakLogin()
    if (maxAge === Infinity) return claims
    if (now().getTime() / 1_000 - auth_time > maxAge) throw oldLogin(maxAge)
    return claims
  }

  function verifyToken(token: string): Claims | Promise<Claims> {
    if (typeof (token as unknown) !== 'string') throw refusal('invalid_token') // from JavaScript
    const claims = verified.get(token)
    if (claims) return requireLive(claims)
    const jws = parseJws(token)
    if (!jws) throw refusal('invalid_token')
    if (!feed.isWithinLease()) throw refusal('unavailable')
    const key = keyForHeader(keys, jws.header, 'at+jwt')
    if (key) return requireLive(check(key, jws, token))
    const { kid } = jws.header
    if (typeof kid !== 'string' || keys.find(kid)) throw refusal('invalid_token')
    return verifyWithUnknownKey(kid, jws, token)
  }

  async function verifyWithUnknownKey(kid: string, jws: Jws, token: string): Promise<Claims> {
    await keys.loadUnknown(kid).catch((error: unknown) => {
      throw refusal('unavailable', error)
    })
    const key = keyForHeader(keys, jws.header, 'at+jwt')
    if (!key) throw refusal('invalid_token')
    return requireLive(check(key, jws, token))
  }

  /** Checks signature and claims, but not revocation. */
  function check(key: PublicKey, jws: Jws, token: string): AccessClaims {
    const claims = key.verify(jws)
    const bounds = { issuer, audience, maxLifetime: feed.lifetime(), now: now() }
    if (!areClaims('at+jwt', claims, bounds)) throw refusal('invalid_token')
    Object.freeze(claims.roles)
    verified.add(token, Object.freeze(claims))
    return claims
  }

  function requireLive(claims: AccessClaims): Claims {
    if (now().getTime() >= claims.exp * 1_000) throw refusal('invalid_token')
    if (!feed.isWithinLease()) throw refusal('unavailable')
    const fault = findFault(claims, entries)
    if (fault) throw refusal(fault)
    return claims
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

import {
  areClaims,
  keyForHeader,
  ownClientId,
  parseJws,
  type AccessClaims,
  type ClaimsOf,
  type ForwardAuthClaims,
  type RefreshClaims,
  type TokenType,
} from '@gatehouse/verify/protocol'
import type { Clock } from '../../concurrency/clock.js'
import { AppError } from '../../errors.js'
import type { IssuedTokens } from './issued.js'
import type { Keyring } from './keyring.js'

type Options = {
  keyring: Keyring
  issued: Pick<IssuedTokens, 'add'>
  issuer: string
  /** Lifetimes in seconds. */
  accessTtl: number
  refreshTtl: number
  clock: Clock
  newId: () => string
}

/**
 * The tokens of a login or a refresh (RFC 6749 §5.1). `expires_in` and `refresh_expires_in` are the seconds
 * that each token lives.
 */
export type TokenPair = {
  access_token: string
  refresh_token: string
  token_type: 'Bearer'
  expires_in: number
  refresh_expires_in: number
}

/** A token for the cookie of an app's host, and the seconds until the end of its session. */
export type HostToken = { token: string; expires_in: number }

/** The user and the session state that a token pair is issued for. Times are ISO 8601. */
export type TokenSubject = {
  user_id: string
  username: string | null
  /** Only where it is verified. */
  email: string | null
  name: string | null
  roles: string[]
  epoch: number
  session_id: string
  generation: number
  rotated_at: string
  expires_at: string
  /** When the user logged in, and how, if that is known. */
  auth_time: string
  amr: string[] | null
  /** The app of the session; null for a session of Gatehouse itself. */
  client_name: string | null
  /** Whether only the app, with its secret, may refresh the session (RFC 6749 §6). */
  is_bound: boolean
  /** The app's host of a session for forward-auth; null for any other. */
  host: string | null
}

/** The client that a token is issued to. */
type ClientSubject = { id: string; name: string; roles: string[]; epoch: number }

/** The API key that a token is issued for, and its owner. */
type KeySubject = Pick<TokenSubject, 'user_id' | 'roles' | 'epoch' | 'expires_at' | NameField> & {
  id: string
}

type NameField = 'username' | 'email' | 'name'

/** The token of a client (RFC 6749 §4.4.3). It has no refresh token: the client requests another. */
export type ClientToken = Omit<TokenPair, 'refresh_token' | 'refresh_expires_in'>

export type IdentifiedToken =
  { type: 'at+jwt'; claims: AccessClaims } | { type: 'rt+jwt'; claims: RefreshClaims }

/** Issues tokens, and reads those that a request is about. sessions/authenticate.ts authenticates requests. */
export function createTokenService(options: Options) {
  const { keyring, issued, issuer, accessTtl, refreshTtl, clock, newId } = options
  const lifetimes = { 'at+jwt': accessTtl, 'rt+jwt': refreshTtl, 'fa+jwt': refreshTtl }

  return {
    /** Issues a token pair. The same session state always gives the same refresh token. */
    issue(subject: TokenSubject): TokenPair {
      const iat = Math.floor(clock.now() / 1_000)
      const expiresAt = toSeconds(new Date(subject.expires_at))
      const exp = Math.min(iat + accessTtl, expiresAt)
      const { sign } = keyring.current()
      const access_token = sign['at+jwt']({
        client_id: subject.client_name ?? ownClientId,
        jti: newId(),
        ...userClaims(subject),
        iat,
        exp,
      })
      issued.add(access_token)
      return {
        access_token,
        refresh_token: sign['rt+jwt']({
          sub: subject.user_id,
          jti: `${subject.session_id}.${subject.generation}`,
          sid: subject.session_id,
          gen: subject.generation,
          ...(subject.client_name !== null && {
            client_id: subject.client_name,
            bound: subject.is_bound,
          }),
          iat: toSeconds(new Date(subject.rotated_at)),
          exp: expiresAt,
        }),
        token_type: 'Bearer',
        expires_in: exp - iat,
        refresh_expires_in: expiresAt - iat,
      }
    },

    /** Issues the token of a session for the host of an app. The same session state always gives the same token. */
    issueForHost(subject: TokenSubject, host: string): HostToken {
      const expiresAt = toSeconds(new Date(subject.expires_at))
      const token = keyring.current().sign['fa+jwt']({
        aud: host,
        ...userClaims(subject),
        iat: toSeconds(new Date(subject.rotated_at)),
        exp: expiresAt,
      })
      return { token, expires_in: expiresAt - Math.floor(clock.now() / 1_000) }
    },

    /** @throws AppError `invalid_token` unless it is a genuine token for this host */
    readHostToken: (token: string, host: string): ForwardAuthClaims => read('fa+jwt', token, host),

    /** Issues an access token to a client. Its `sid` is the client's id, so one denial ends all its tokens. */
    issueToClient({ id, name, roles, epoch }: ClientSubject): ClientToken {
      const iat = Math.floor(clock.now() / 1_000)
      const access_token = keyring.current().sign['at+jwt']({
        sub: id,
        client_id: name,
        jti: newId(),
        sid: id,
        gen: 0,
        roles,
        epoch,
        iat,
        exp: iat + accessTtl,
      })
      return { access_token, token_type: 'Bearer', expires_in: accessTtl }
    },

    /** Issues an access token for an API key. Its `sid` is the key's id, so the end of the key ends it. */
    issueForKey(key: KeySubject): ClientToken {
      const iat = Math.floor(clock.now() / 1_000)
      const exp = Math.min(iat + accessTtl, toSeconds(new Date(key.expires_at)))
      const access_token = keyring.current().sign['at+jwt']({
        sub: key.user_id,
        client_id: ownClientId,
        jti: newId(),
        sid: key.id,
        gen: 0,
        roles: key.roles,
        ...nameClaims(key),
        epoch: key.epoch,
        api_key: key.id,
        iat,
        exp,
      })
      return { access_token, token_type: 'Bearer', expires_in: exp - iat }
    },

    /** @throws AppError `invalid_token` for every fault of the token */
    readRefreshToken: (token: string): RefreshClaims => read('rt+jwt', token),

    /** Reads a token of either type. Returns undefined if it is not genuine or has expired. */
    identify(token: string): IdentifiedToken | undefined {
      const access = tryRead('at+jwt', token)
      if (access) return { type: 'at+jwt', claims: access }
      const refresh = tryRead('rt+jwt', token)
      return refresh && { type: 'rt+jwt', claims: refresh }
    },
  }

  function tryRead<Type extends TokenType>(type: Type, token: string): ClaimsOf[Type] | undefined {
    try {
      return read(type, token)
    } catch (error) {
      if (error instanceof AppError) return undefined
      throw error
    }
  }

  /** @param host the audience of a token for forward-auth */
  function read<Type extends TokenType>(type: Type, token: string, host?: string): ClaimsOf[Type] {
    const jws = parseJws(token)
    const key = jws && keyForHeader(keyring, jws.header, type)
    if (!key) throw new AppError('invalid_token')
    const payload = key.verify(jws)
    const now = new Date(clock.now())
    const audience = key.audience ?? host
    if (audience === undefined) throw new AppError('invalid_token')
    const bounds = { issuer, audience, maxLifetime: lifetimes[type], now }
    if (!areClaims(type, payload, bounds)) throw new AppError('invalid_token')
    return payload
  }
}

/** The claims of a token that says who the user is. */
const userClaims = (subject: TokenSubject) => ({
  sub: subject.user_id,
  sid: subject.session_id,
  gen: subject.generation,
  roles: subject.roles,
  ...nameClaims(subject),
  epoch: subject.epoch,
  auth_time: toSeconds(new Date(subject.auth_time)),
  ...(subject.amr && { amr: subject.amr }),
})

/**
 * The claims that name the user, with a size limit: the token must stay below 3 KB, because browsers drop
 * a cookie above 4,096 bytes. A long `name` is truncated. A long username or email is left out, because
 * a truncated one would be another identifier.
 */
function nameClaims({
  username,
  email,
  name,
}: Pick<TokenSubject, NameField>): Pick<
  AccessClaims,
  'username' | 'email' | 'email_verified' | 'name'
> {
  const fits = (text: string | null) => text !== null && Buffer.byteLength(text) <= maxNameBytes
  return {
    ...(username !== null && fits(username) && { username }),
    // OpenID Connect Core §5.1.
    ...(email !== null && fits(email) && { email, email_verified: true as const }),
    ...(name !== null && { name: truncate(name) }),
  }
}

const maxNameBytes = 400

/** Cuts a text to at most `maxNameBytes` bytes of UTF-8, between two characters. */
const truncate = (text: string) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    Buffer.from(text).subarray(0, maxNameBytes),
    {
      stream: true,
    },
  )

export type TokenService = ReturnType<typeof createTokenService>

const toSeconds = (date: Date) => Math.floor(date.getTime() / 1_000)

import {
  areClaims,
  isCompact,
  keyForHeader,
  ownClientId,
  type AccessClaims,
  type ClaimsOf,
  type RefreshClaims,
  type TokenType,
} from '@gatehouse/verify/protocol'
import { createDecoder } from 'fast-jwt'
import { AppError } from '../../errors.js'
import type { Keyring } from './keyring.js'

type Options = {
  keyring: Keyring
  issuer: string
  /** Lifetimes in seconds. */
  accessTtl: number
  refreshTtl: number
  now: () => Date
  newId: () => string
}

/** What a login or a refresh answers (RFC 6749 §5.1); `expires_in` in seconds. */
export type TokenPair = {
  access_token: string
  refresh_token: string
  token_type: 'Bearer'
  expires_in: number
}

/** Who a token speaks of, and the place of its refresh token in the session. Times are ISO 8601. */
export type Grant = {
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
}

/** Which client a token speaks of. */
type ClientGrant = { id: string; name: string; roles: string[]; epoch: number }

/** What another service gets (RFC 6749 §4.4.3): it asks again where a user would refresh. */
export type ClientToken = Omit<TokenPair, 'refresh_token'>

export type Identified =
  { type: 'at+jwt'; claims: AccessClaims } | { type: 'rt+jwt'; claims: RefreshClaims }

type Decoded = { header: Record<string, unknown> }

const decode = createDecoder({ complete: true })

/** Issues tokens, and reads them where they are not what a request is authenticated by. */
export function createTokenService(options: Options) {
  const { keyring, issuer, accessTtl, refreshTtl, now, newId } = options
  const lifetimes = { 'at+jwt': accessTtl, 'rt+jwt': refreshTtl }

  return {
    /** The refresh token's claims depend on nothing but the session, so a repeated one is the same. */
    issue(grant: Grant): TokenPair {
      const iat = toSeconds(now())
      const expiresAt = toSeconds(new Date(grant.expires_at))
      const exp = Math.min(iat + accessTtl, expiresAt)
      const { sign } = keyring.current()
      return {
        access_token: sign['at+jwt']({
          sub: grant.user_id,
          client_id: ownClientId,
          jti: newId(),
          sid: grant.session_id,
          gen: grant.generation,
          roles: grant.roles,
          ...namesOf(grant),
          epoch: grant.epoch,
          iat,
          exp,
        }),
        refresh_token: sign['rt+jwt']({
          sub: grant.user_id,
          jti: `${grant.session_id}.${grant.generation}`,
          sid: grant.session_id,
          gen: grant.generation,
          iat: toSeconds(new Date(grant.rotated_at)),
          exp: expiresAt,
        }),
        token_type: 'Bearer',
        expires_in: exp - iat,
      }
    },

    /** An access token that speaks of a client. Its session is itself: to deny `id` ends them all. */
    issueToClient({ id, name, roles, epoch }: ClientGrant): ClientToken {
      const iat = toSeconds(now())
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

    /** @throws AppError `invalid_token`, whatever is wrong with it */
    readRefreshToken: (token: string): RefreshClaims => read('rt+jwt', token),

    /** Which of the two a text is; undefined if it is no genuine one of ours, or out of time. */
    identify(token: string): Identified | undefined {
      const access = readIf('at+jwt', token)
      if (access) return { type: 'at+jwt', claims: access }
      const refresh = readIf('rt+jwt', token)
      return refresh && { type: 'rt+jwt', claims: refresh }
    },
  }

  function readIf<Type extends TokenType>(type: Type, token: string): ClaimsOf[Type] | undefined {
    try {
      return read(type, token)
    } catch (error) {
      if (error instanceof AppError) return undefined
      throw error
    }
  }

  function read<Type extends TokenType>(type: Type, token: string): ClaimsOf[Type] {
    const { payload, audience } = verified(type, token)
    const bounds = { issuer, audience, maxLifetime: lifetimes[type], now: now() }
    if (!areClaims(type, payload, bounds)) throw new AppError('invalid_token')
    return payload
  }

  function verified(type: TokenType, token: string): { payload: unknown; audience: string } {
    if (!isCompact(token)) throw new AppError('invalid_token')
    try {
      const key = keyForHeader(keyring, (decode(token) as Decoded).header, type)
      if (!key) throw new AppError('invalid_token')
      return { payload: key.verify(token), audience: key.audience }
    } catch (cause) {
      throw new AppError('invalid_token', { cause })
    }
  }
}

/**
 * What somebody is called, bounded so that the token stays below 3 KB and its cookie below the 4,096
 * bytes that browsers keep. A name is cut; an identifier that were cut would be another one.
 */
function namesOf({
  username,
  email,
  name,
}: Grant): Pick<AccessClaims, 'username' | 'email' | 'email_verified' | 'name'> {
  const fits = (text: string | null) => text !== null && Buffer.byteLength(text) <= maxNameBytes
  return {
    ...(username !== null && fits(username) && { username }),
    // OpenID Connect Core §5.1.
    ...(email !== null && fits(email) && { email, email_verified: true as const }),
    ...(name !== null && { name: cut(name) }),
  }
}

const maxNameBytes = 400

/** A text of at most so many bytes of UTF-8: the last character is whole. */
const cut = (text: string) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    Buffer.from(text).subarray(0, maxNameBytes),
    {
      stream: true,
    },
  )

export type TokenService = ReturnType<typeof createTokenService>

const toSeconds = (date: Date) => Math.floor(date.getTime() / 1_000)

import { isOfClient, type AccessClaims, type RefreshClaims } from '@gatehouse/verify/protocol'
import type { Caller } from '../../http/caller.js'
import type { Client } from '../clients/repository.js'
import { AppError, invalidField } from '../../errors.js'
import type { FoundKey, KeySource } from '../api-keys/lookup.js'
import type { FindLiveKey } from '../api-keys/live-keys.js'
import { isApiKey } from '../api-keys/secret.js'
import type { SessionService } from '../sessions/service.js'
import type { Usage } from '../sessions/usage.js'
import type { UserRepository } from '../users/repository.js'
import type { DenylistRepository } from '../denylist/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { Denylist } from '../denylist/service.js'
import type { ClientToken, TokenPair, TokenService } from '../tokens/service.js'
import type { User } from '../users/schemas.js'
import type { Introspection } from './schemas.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  denylist: Pick<DenylistRepository, 'deny'>
  sessions: Pick<SessionRepository, 'endOf'>
  users: Pick<UserRepository, 'find'>
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  tokens: TokenService
  denylist: Denylist
  sessions: SessionService
  usage: Usage
  apiKeys: { remove: (caller: Caller, id: string) => Promise<void> }
  findLiveKey: FindLiveKey
}

/** Token operations for other services. */
export function createOAuthService(dependencies: Dependencies) {
  const { store, tokens, denylist, sessions, usage, apiKeys, findLiveKey } = dependencies

  return {
    /** RFC 6749 §4.4. */
    issueToClient: (client: Client): ClientToken => tokens.issueToClient(client),

    /**
     * RFC 8693: an access token for an API key, which other services can verify by themselves.
     * @throws AppError `validation_failed` for another token (RFC 8693 §2.2.2), `rate_limited`, `overloaded`
     */
    async exchangeKey(secret: string, address: string): Promise<ClientToken> {
      const found = await findKey(secret, address)
      if (!found) throw invalidField('subject_token', 'must be an API key that is valid')
      return tokens.issueForKey(found.key)
    },

    /** RFC 6749 §6, as POST /api/refresh. @throws AppError `invalid_grant`, `rate_limited` */
    async refresh(token: string, caller: Caller, client?: Client): Promise<TokenPair> {
      try {
        return await sessions.refresh(token, caller, client?.name)
      } catch (error) {
        if (!hasCode('invalid_token', error)) throw error
        throw new AppError('invalid_grant', { cause: error })
      }
    },

    /**
     * RFC 7662 §2.2: a token that this service would refuse for any reason is not active. A refresh
     * token is never active, so that no other service mistakes it for an access token.
     */
    async introspect(token: string, client: Client): Promise<Introspection> {
      const key = await findKey(token, { client_id: client.id })
      if (key) return describeKey(key)
      const found = tokens.identify(token)
      const answer = found?.type === 'at+jwt' && (await describeAccess(found.claims))
      return answer || { active: false }
    },

    /**
     * RFC 7009 §2: revokes an access token alone, or the session of a refresh token. The holder of a token
     * may revoke it without credentials. An unknown or expired token counts as revoked.
     */
    async revoke(token: string, caller: Caller): Promise<void> {
      const key = await findKey(token, caller.address)
      if (key) await endKey(key, caller)
      const found = tokens.identify(token)
      if (found?.type === 'at+jwt') await denyToken(found.claims, caller)
      if (found?.type === 'rt+jwt') await endSession(found.claims, caller)
    },
  }

  /** @throws AppError `rate_limited`, `overloaded`, `unavailable` */
  async function findKey(secret: string, source: KeySource): Promise<FoundKey | undefined> {
    if (!isApiKey(secret)) return undefined
    try {
      return await findLiveKey(secret, source)
    } catch (error) {
      if (hasCode('invalid_token', error) || hasCode('token_stale', error)) return undefined
      throw error
    }
  }

  async function describeKey({ claims, key }: FoundKey): Promise<Introspection> {
    const user = await store.users.find(key.user_id)
    if (!user) return { active: false }
    const { client_id, roles } = claims
    const times = { iat: toSeconds(key.created_at), exp: toSeconds(key.expires_at) }
    const known = { ...commonClaims(claims), ...times, token_type: 'Bearer', client_id, roles }
    return { ...known, username: usernameOf(user) }
  }

  /** The holder of a key may revoke it. If it was revoked meanwhile, that is the same. */
  async function endKey({ key }: FoundKey, caller: Caller): Promise<void> {
    try {
      await apiKeys.remove({ ...caller, user_id: caller.user_id ?? key.user_id }, key.id)
    } catch (error) {
      if (!hasCode('not_found', error)) throw error
    }
  }

  async function describeAccess(claims: AccessClaims): Promise<Introspection | undefined> {
    if (!(await isAccepted(claims))) return undefined
    usage.markUsed(claims)
    const { client_id, roles } = claims
    const known = { ...commonClaims(claims), token_type: 'Bearer', client_id, roles }
    if (isOfClient(claims)) return known
    const user = await store.users.find(claims.sub)
    return user && { ...known, username: usernameOf(user) }
  }

  /** @throws AppError `unavailable` */
  async function isAccepted(claims: AccessClaims): Promise<boolean> {
    try {
      await denylist.requireLive(claims)
      return true
    } catch (error) {
      if (hasCode('invalid_token', error) || hasCode('token_stale', error)) return false
      throw error
    }
  }

  async function denyToken(claims: AccessClaims, caller: Caller): Promise<void> {
    if (!(await isAccepted(claims))) return
    await store.transaction(async (tx) => {
      await tx.denylist.deny(claims.jti)
      const detail = { token: claims.jti }
      await tx.audit.add({
        event: 'token.revoked',
        detail,
        ...partiesOf(claims, caller),
      })
    })
  }

  async function endSession(claims: RefreshClaims, caller: Caller): Promise<void> {
    await store.transaction(async (tx) => {
      if ((await tx.sessions.endOf(claims.sub, claims.sid)).length === 0) return
      const detail = { ended: 1 }
      await tx.audit.add({
        event: 'session.ended',
        detail,
        ...partiesOf(claims, caller),
      })
    })
  }
}

export type OAuthService = ReturnType<typeof createOAuthService>

const hasCode = (code: AppError['code'], error: unknown) =>
  error instanceof AppError && error.code === code

const toSeconds = (time: string) => Math.floor(Date.parse(time) / 1_000)

const commonClaims = ({ sub, iss, aud, jti, sid, auth_time, amr, iat, exp }: AccessClaims) => ({
  active: true,
  ...{ sub, iss, aud, jti, sid, iat, exp },
  ...(auth_time !== undefined && { auth_time }),
  ...(amr && { amr }),
})

/** An unverified address is left out, because it may belong to another person. */
const usernameOf = ({ id, username, email, email_verified, mobile, mobile_verified }: User) =>
  username ?? (email_verified ? email : null) ?? (mobile_verified ? mobile : null) ?? id

/** For the audit log: the actor is the client, or without one the token's subject. A client's token has no user. */
function partiesOf(claims: AccessClaims | RefreshClaims, caller: Caller) {
  const { sub, sid } = claims
  return {
    caller: { ...caller, user_id: caller.user_id ?? sub },
    user_id: sub === sid ? null : sub,
  }
}

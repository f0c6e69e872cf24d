import { isOfClient, type AccessClaims, type RefreshClaims } from '@gatehouse/verify/protocol'
import type { Caller } from '../../http/caller.js'
import type { Client } from '../clients/repository.js'
import { AppError } from '../../errors.js'
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
}

/** What other services do with tokens. */
export function createOAuthService(dependencies: Dependencies) {
  const { store, tokens, denylist, sessions, usage } = dependencies

  return {
    /** RFC 6749 §4.4. */
    issueToClient: (client: Client): ClientToken => tokens.issueToClient(client),

    /** RFC 6749 §6: as POST /api/refresh. @throws AppError `invalid_grant`, `rate_limited` */
    async refresh(token: string, caller: Caller): Promise<TokenPair> {
      try {
        return await sessions.refresh(token, caller)
      } catch (error) {
        if (!isOf('invalid_token', error)) throw error
        throw new AppError('invalid_grant', { cause: error })
      }
    },

    /**
     * RFC 7662 §2.2: a token that this service would not accept is not active, whatever the reason. Nor is
     * a refresh token: no other service may take one for a login.
     */
    async introspect(token: string): Promise<Introspection> {
      const found = tokens.identify(token)
      const answer = found?.type === 'at+jwt' && (await describeAccess(found.claims))
      return answer || { active: false }
    },

    /**
     * RFC 7009 §2: an access token dies alone, a refresh token with its session. Who holds a genuine
     * one may end it; what is none any more, or never was, has ended already.
     */
    async revoke(token: string, caller: Caller): Promise<void> {
      const found = tokens.identify(token)
      if (found?.type === 'at+jwt') await denyToken(found.claims, caller)
      if (found?.type === 'rt+jwt') await endSession(found.claims, caller)
    },
  }

  async function describeAccess(claims: AccessClaims): Promise<Introspection | undefined> {
    if (!(await isAccepted(claims))) return undefined
    usage.note(claims)
    const { client_id, roles } = claims
    const known = { ...commonOf(claims), token_type: 'Bearer', client_id, roles }
    if (isOfClient(claims)) return known
    const user = await store.users.find(claims.sub)
    return user && { ...known, username: nameOf(user) }
  }

  /** @throws AppError `unavailable` */
  async function isAccepted(claims: AccessClaims): Promise<boolean> {
    try {
      await denylist.requireLive(claims)
      return true
    } catch (error) {
      if (isOf('invalid_token', error) || isOf('token_stale', error)) return false
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
      if (!(await tx.sessions.endOf(claims.sub, claims.sid))) return
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

const isOf = (code: AppError['code'], error: unknown) =>
  error instanceof AppError && error.code === code

const commonOf = ({ sub, iss, aud, jti, sid, iat, exp }: AccessClaims) => ({
  active: true,
  ...{ sub, iss, aud, jti, sid, iat, exp },
})

/** Never an unverified address: it may belong to another person. */
const nameOf = ({ id, username, email, email_verified, mobile, mobile_verified }: User) =>
  username ?? (email_verified ? email : null) ?? (mobile_verified ? mobile : null) ?? id

/** Who did it: the client, or without one the holder of the token; and to which user. */
function partiesOf(claims: AccessClaims | RefreshClaims, caller: Caller) {
  const { sub, sid } = claims
  return {
    caller: { ...caller, user_id: caller.user_id ?? sub },
    user_id: sub === sid ? null : sub,
  }
}

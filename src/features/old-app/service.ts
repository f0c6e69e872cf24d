import { createHash } from 'node:crypto'
import type { Clock } from '../../concurrency/clock.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { Caller } from '../../http/caller.js'
import { readIdentifier, type IdentifierKind } from '../identifiers/identifiers.js'
import type { IdentityRepository } from '../identities/repository.js'
import type { Limits } from '../limits/limits.js'
import type { Login, Logins, SessionOpening } from '../sessions/logins.js'
import type { UserRepository } from '../users/repository.js'
import { createFlaskCookies, type FlaskCookieOptions } from './flask-cookie.js'
import type { OldProof } from './proof.js'
import type { OldAppRepository } from './repository.js'
import { createOldTokens, type OldTokenOptions } from './tokens.js'

type Repositories = SessionOpening & {
  identities: Pick<IdentityRepository, 'spend'>
  oldApp: OldAppRepository
  users: Pick<UserRepository, 'findCredentialById'>
}

type Field = 'id' | IdentifierKind

export type OldAppOptions = {
  store: UnitOfWork<Repositories>
  logins: Logins
  limits: Pick<Limits, 'countFailure'>
  clock: Clock
  /** When the last old token is refused, in milliseconds since 1970; NaN if none was ever accepted. */
  until: number
  /** Undefined if the old app had no JWTs, or no session cookies. */
  tokens: (OldTokenOptions & { field: Field }) | undefined
  cookies: (FlaskCookieOptions & { field: Field }) | undefined
}

type Refusal = 'unknown_user' | 'used' | 'ended' | 'second_factor'

/** An old token does not show that the user is there now: what needs a recent login asks for the password. */
const leastAge = 3_600_000

/**
 * Logs in imported users with what their old app gave them, up to a date. Each token or cookie logs in once. None does
 * after the user's password was changed or all sessions of the user were ended, or while the account is disabled.
 */
export function createOldAppService(options: OldAppOptions) {
  const { store, logins, limits, clock, until, tokens, cookies } = options
  const readToken = tokens && createOldTokens(tokens)
  const readCookie = cookies && createFlaskCookies(cookies)
  const isOpen = () => clock.now() < until

  return {
    /**
     * Exchanges a JWT of the old app. Returns undefined if it is none.
     * @throws AppError `invalid_token` if it must not log in, `rate_limited`, `unavailable`
     */
    async byToken(token: string, caller: Caller): Promise<Login | undefined> {
      const proof = isOpen() ? readToken?.(token, clock.now()) : undefined
      return proof && tokens && logIn(proof, { kind: 'jwt', field: tokens.field }, caller)
    },

    /** The same for the session cookie of a Flask app. */
    async byCookie(cookie: string, caller: Caller): Promise<Login | undefined> {
      const proof = isOpen() ? readCookie?.(cookie, clock.now()) : undefined
      return proof && cookies && logIn(proof, { kind: 'cookie', field: cookies.field }, caller)
    },
  }

  async function logIn(
    proof: OldProof,
    { kind, field }: { kind: string; field: Field },
    caller: Caller,
  ): Promise<Login> {
    const name = nameOf(field, proof.user)
    const id = name === undefined ? undefined : await store.oldApp.findUser(name)
    const found = id === undefined ? undefined : await store.users.findCredentialById(id)
    if (!found) return refuse('unknown_user', null)
    const user_id = found.user.id
    const auth_time = new Date(Math.min(proof.signed_at, clock.now() - leastAge)).toISOString()

    const opened = await store.transaction(async (tx) => {
      // Before the session: a second use at the same time waits for this one.
      if (!(await tx.identities.spend(idOf(proof), until / 1_000))) return 'used' as const
      if (!(await tx.oldApp.hold(user_id))) return 'ended' as const
      return logins.open(tx, found, caller, { auth_time, detail: { old_app: kind } })
    })
    if (typeof opened !== 'object') return refuse(opened ?? 'ended', user_id)
    const login = logins.complete(opened)
    return 'pending' in login ? refuse('second_factor', user_id) : login

    async function refuse(reason: Refusal, user_id: string | null): Promise<never> {
      const detail = { old_app: kind, reason }
      await store.audit.add({ event: 'login.failed', caller, user_id, detail })
      await limits.countFailure('refresh', caller)
      throw new AppError('invalid_token')
    }
  }
}

export type OldAppService = ReturnType<typeof createOldAppService>

/** The name as an import stored it. */
function nameOf(field: Field, user: string): string | undefined {
  if (field === 'id') return `id:${user.toLowerCase()}`
  try {
    return `${field}:${readIdentifier(field, user).canonical}`
  } catch {
    return undefined
  }
}

/** The first 128 bits of its hash, as a UUID: the token itself is not stored. */
function idOf({ signed }: OldProof): string {
  const hex = createHash('sha256').update(`old app ${signed}`).digest('hex')
  return hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

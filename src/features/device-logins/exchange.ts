import type { Caller } from '../../http/caller.js'
import { hashSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { AuditRepository } from '../audit/repository.js'
import type { Limits } from '../limits/limits.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { TokenPair, TokenService, TokenSubject } from '../tokens/service.js'
import { addressFor } from '../users/addresses.js'
import type { UserRepository } from '../users/repository.js'
import type { DeviceCodeRepository } from './repository.js'

export type ExchangeRepositories = {
  audit: Pick<AuditRepository, 'add'>
  deviceCodes: Pick<DeviceCodeRepository, 'poll' | 'spend'>
  outbox: Pick<OutboxRepository, 'put'>
  sessions: Pick<SessionRepository, 'openRelated'>
  users: Pick<UserRepository, 'find'>
}

export type ExchangeDependencies = {
  store: UnitOfWork<ExchangeRepositories>
  tokens: Pick<TokenService, 'issue'>
  limits: Pick<Limits, 'countFailure'>
  newId: () => string
  /** The most sessions that a login may have, beside its first. */
  sessionsPerUser: number
}

/** What gets the tokens. The id is null for `gatehouse login`. */
export type Grantee = { id: string | null; name: string }

/** By how much the interval rises for a device that asks too soon, in seconds (RFC 8628 §3.5). */
const step = 5

/** Exchanges device codes: each opens a session within the login that approved it, once. */
export function createDeviceExchange(dependencies: ExchangeDependencies) {
  const { store, tokens, limits, newId, sessionsPerUser } = dependencies

  /**
   * Gives a device its tokens, or says why it must wait or give up.
   * @throws AppError `authorization_pending`, `slow_down`, `access_denied`, `expired_token`; `invalid_grant` for an
   *   unknown or spent code, or if the login has ended; `rate_limited`
   */
  return async function redeem(
    grantee: Grantee,
    device_code: string,
    caller: Caller,
  ): Promise<TokenPair> {
    const device_hash = hashSecret(device_code)
    const { state, is_early } = (await store.deviceCodes.poll(device_hash, grantee.id, step)) ?? {}
    if (state === 'pending') throw new AppError(is_early ? 'slow_down' : 'authorization_pending')
    if (state === 'denied') throw new AppError('access_denied')
    if (state === 'expired') throw new AppError('expired_token')
    const subject =
      state === 'approved' ? await openSession(grantee, device_hash, caller) : undefined
    if (subject) return tokens.issue(subject)
    await limits.countFailure('refresh', caller)
    throw new AppError('invalid_grant')
  }

  /** Returns undefined if another request has spent the code, or the login that approved it has ended. */
  async function openSession(
    { id: client_id, name }: Grantee,
    device_hash: Buffer,
    caller: Caller,
  ): Promise<TokenSubject | undefined> {
    const id = newId()
    const { user_agent, address } = caller
    return store.transaction(async (tx) => {
      const spent = await tx.deviceCodes.spend(device_hash, client_id, id)
      if (!spent) return undefined
      const { user_id, session_id: from_id } = spent
      const subject = await tx.sessions.openRelated({
        ...{ id, user_id, from_id, client_id, host: null, user_agent, address },
        keep: sessionsPerUser - 1,
      })
      if (!subject) return undefined
      const user = await tx.users.find(user_id)
      const to = user && addressFor(user)
      if (to) await tx.outbox.put({ message: 'device_logged_in', ...to, user_id })
      const actor = { ...caller, user_id, session_id: id }
      const detail = { client: name, session: id, device: true }
      await tx.audit.add({ event: 'session.opened', caller: actor, user_id, detail })
      return subject
    })
  }
}

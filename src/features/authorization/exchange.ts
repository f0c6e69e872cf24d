import { createHash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { hashSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { Caller } from '../../http/caller.js'
import type { AuditRepository } from '../audit/repository.js'
import type { Client } from '../clients/repository.js'
import type { Limits } from '../limits/limits.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { TokenSubject } from '../tokens/service.js'
import type { AuthorizationRepository, CodeBinding } from './repository.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  authorizations: Pick<AuthorizationRepository, 'findSpent' | 'spend'>
  sessions: Pick<SessionRepository, 'end' | 'openRelated'>
}

export type ExchangeDependencies = {
  store: UnitOfWork<Repositories>
  limits: Limits
  newId: () => string
  log: FastifyBaseLogger
  /** The most sessions that a login may have, beside its first. */
  sessionsPerUser: number
}

/** What exchanges a code: an app, or Gatehouse itself for the host of one. */
export type Exchanger = Pick<Client, 'id' | 'name' | 'redirect_uris'>

export type Exchange = { code: string; redirect_uri: string; code_verifier: string }

/** Exchanges codes: each opens a session, once. */
export function createCodeExchange(dependencies: ExchangeDependencies) {
  const { store, limits, newId, log, sessionsPerUser } = dependencies

  return redeem

  /** Opens the session of a code. @throws AppError `invalid_grant`, `rate_limited` */
  async function redeem(
    client: Exchanger,
    { code, redirect_uri, code_verifier }: Exchange,
    caller: Caller,
    host: string | null = null,
  ): Promise<TokenSubject> {
    const code_challenge = createHash('sha256').update(code_verifier).digest('base64url')
    const code_hash = hashSecret(code)
    const binding = { code_hash, client_id: client.id, redirect_uri, code_challenge }
    // One that was removed a moment ago counts no more.
    const isRegistered = client.redirect_uris.includes(redirect_uri)
    const subject = isRegistered && (await openSession(client, binding, caller, host))
    if (subject) return subject
    await limits.countFailure('refresh', caller)
    throw new AppError('invalid_grant')
  }

  /** Returns undefined if the code is not valid, or the session that it was given to has ended. */
  async function openSession(
    client: Exchanger,
    binding: CodeBinding,
    caller: Caller,
    host: string | null,
  ): Promise<TokenSubject | undefined> {
    const id = newId()
    const { name } = client
    const client_id = host === null ? client.id : null
    const { user_agent, address } = caller
    return store.transaction(async (tx) => {
      const spent = await tx.authorizations.spend(binding, id)
      if (!spent) {
        await endReused(tx, name, binding, caller)
        return undefined
      }
      const { user_id, session_id: from_id } = spent
      const subject = await tx.sessions.openRelated({
        ...{ id, user_id, from_id, client_id, host, user_agent, address },
        keep: sessionsPerUser - 1,
      })
      if (!subject) return undefined
      const entry = { caller: { ...caller, user_id, session_id: id }, user_id }
      const detail = { client: name, session: id, ...(host !== null && { host }) }
      await tx.audit.add({ event: 'session.opened', ...entry, detail })
      return subject
    })
  }

  async function endReused(tx: Repositories, client: string, binding: CodeBinding, caller: Caller) {
    const reused = await tx.authorizations.findSpent(binding)
    if (!reused) return
    const { user_id, session_id, opened_id } = reused
    await tx.sessions.end(opened_id, session_id)
    const detail = { client, session: opened_id }
    await tx.audit.add({ event: 'session.code_reuse', caller, user_id, detail })
    log.warn({ event: 'code_reuse', user_id, sid: opened_id }, 'spent code reused, login ended')
  }
}

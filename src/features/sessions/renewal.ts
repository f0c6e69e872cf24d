import type { RefreshClaims } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Caller } from '../../http/caller.js'
import { createBatcher } from '../../concurrency/batch.js'
import { AppError } from '../../errors.js'
import type { Limits } from '../limits/limits.js'
import type { SessionRepository } from './repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { TokenSubject, TokenPair, TokenService } from '../tokens/service.js'
import { createRefreshRule, type SessionState } from './refresh-rule.js'
import type { PresentedToken } from './rotations.js'
import type { Usage } from './usage.js'

export type RenewalRepositories = {
  audit: Pick<AuditRepository, 'add'>
  sessions: Pick<SessionRepository, 'end' | 'read' | 'repeatLate' | 'rotate'>
}

export type RenewalDependencies = {
  store: UnitOfWork<RenewalRepositories>
  tokens: TokenService
  limits: Limits
  usage: Usage
  log: FastifyBaseLogger
  /** How long a spent refresh token still gets the present pair, in seconds. */
  grace: number
}

/** What a token says of its session. */
type SessionClaims = Pick<RefreshClaims, 'sid' | 'sub' | 'gen'>

export type RefreshedSession = { tokens: TokenPair; user_id: string; session_id: string }

/** Refreshes sessions. */
export function createRenewal(dependencies: RenewalDependencies) {
  const { store, tokens, limits, usage, log, grace } = dependencies
  const { decide } = createRefreshRule(grace)

  // Requests with the same token share one rotation. The rule would repeat its result to each anyway.
  const rotateTogether = createBatcher(async (batch: PresentedToken[]) => {
    const subjects = await store.sessions.rotate(batch)
    const found = new Map(
      subjects.map((subject) => [keyOf(subject, subject.generation - 1), subject]),
    )
    return batch.map(({ id, user_id, generation }) =>
      found.get(keyOf({ session_id: id, user_id }, generation)),
    )
  })

  const readTogether = createBatcher(async (ids: string[]) => {
    const sessions = await store.sessions.read(ids)
    const found = new Map(sessions.map((session) => [session.subject.session_id, session]))
    return ids.map((id) => found.get(id))
  })

  const lateRepeats = new Map<string, Promise<void>>()

  return { refresh, refreshSession, renewHost }

  /**
   * Exchanges a refresh token for the next pair, or repeats the present pair: createRefreshRule()
   * decides. `clientName` is the client that was authenticated. Reuse of a spent token ends the session (RFC 9700 §4.14.2).
   * @throws AppError `invalid_token`, `rate_limited`, `unavailable`
   */
  async function refresh(token: string, caller: Caller, clientName?: string): Promise<TokenPair> {
    return (await refreshSession(token, caller, clientName)).tokens
  }

  /** As `refresh`, and also returns the user and the session. A failure counts against the client's network. */
  async function refreshSession(
    token: string,
    caller: Caller,
    clientName?: string,
  ): Promise<RefreshedSession> {
    try {
      return await exchange(token, caller, clientName)
    } catch (error) {
      if (error instanceof AppError && error.code === 'invalid_token') {
        await limits.countFailure('refresh', caller)
      }
      throw error
    }
  }

  async function exchange(
    token: string,
    caller: Caller,
    clientName?: string,
  ): Promise<RefreshedSession> {
    const claims = tokens.readRefreshToken(token)
    if (!isForClient(claims, clientName)) throw new AppError('invalid_token')
    const { sid, sub } = claims
    const subject = await advance(claims, null, caller)
    return { tokens: tokens.issue(subject), user_id: sub, session_id: sid }
  }

  /**
   * Renews the session of an app's host, by the same rule as a refresh: its token for forward-auth stands for a refresh
   * token too. A failure counts against nobody: only a genuine token comes here, and the caller remembers failures.
   * @throws AppError `invalid_token`, `unavailable`
   */
  function renewHost(claims: SessionClaims, host: string, caller: Caller): Promise<TokenSubject> {
    return advance(claims, host, caller)
  }

  async function advance(
    { sid, sub, gen }: SessionClaims,
    host: string | null,
    caller: Caller,
  ): Promise<TokenSubject> {
    const presented = { id: sid, user_id: sub, generation: gen }
    // Nearly every refresh is a rotation, so it is tried before the session is read.
    const subject = (await rotateTogether(presented)) ?? (await applyDecision(presented, caller))
    if (subject.host !== host) throw new AppError('invalid_token')
    return subject
  }

  /**
   * Reads the session and does what the rule decides. If the session changed before the write, it starts
   * again.
   * @throws AppError `invalid_token` for reuse or without a session, `unavailable`
   */
  async function applyDecision(
    presented: PresentedToken,
    caller: Caller,
    tries = 5,
  ): Promise<TokenSubject> {
    const found = await readTogether(presented.id)
    if (found?.subject.user_id !== presented.user_id) throw new AppError('invalid_token')
    const { subject, state, now } = found
    const decision = decide(state, presented.generation, now)
    if (decision === 'repeat') return subject
    if (decision === 'reuse') return endReused(presented, caller)
    const next =
      decision === 'rotate' ? await rotate(presented) : await repeatLate(presented, state, caller)
    if (next) return next
    if (tries === 1) throw new AppError('unavailable')
    return applyDecision(presented, caller, tries - 1)
  }

  /** Waits for the lock of the session. rotateTogether() skips locked sessions. */
  async function rotate(presented: PresentedToken): Promise<TokenSubject | undefined> {
    const [subject] = await store.sessions.rotate([presented], { wait: true })
    return subject
  }

  /** Repeats one at a time per session, so that many tabs that wake up together use one connection. */
  async function repeatLate(presented: PresentedToken, state: SessionState, caller: Caller) {
    const other = lateRepeats.get(presented.id)
    if (other) return other.then(() => undefined)
    const own = countRepeat(presented, state, caller)
    const settled = own.then(ignore, ignore)
    lateRepeats.set(presented.id, settled)
    void settled.then(() => lateRepeats.delete(presented.id))
    return own
  }

  async function countRepeat(presented: PresentedToken, state: SessionState, caller: Caller) {
    await usage.settled()
    const { id: session, user_id } = presented
    const event = 'session.refresh_repeated'
    const subject = await store.transaction(async (tx) => {
      const repeated = await tx.sessions.repeatLate(presented, state)
      if (repeated) await tx.audit.add({ event, caller, user_id, detail: { session } })
      return repeated
    })
    if (subject) {
      log.info(
        { event: 'refresh_repeated', user_id, sid: session },
        'spent refresh token repeated after the grace',
      )
    }
    return subject
  }

  /** @throws AppError `invalid_token` */
  async function endReused(
    { id: session, user_id }: PresentedToken,
    caller: Caller,
  ): Promise<never> {
    await store.transaction(async (tx) => {
      await tx.sessions.end(session)
      const event = 'session.refresh_reuse'
      await tx.audit.add({ event, caller, user_id, detail: { session } })
    })
    log.warn(
      { event: 'refresh_reuse', user_id, sid: session },
      'spent refresh token reused, session ended',
    )
    throw new AppError('invalid_token')
  }
}

/**
 * Whether a client may use the refresh token. A confidential app's refresh token works only for that app. A public
 * app's token also works without a client name (RFC 6749 §6).
 */
function isForClient({ client_id, bound }: RefreshClaims, clientName: string | undefined): boolean {
  if (client_id === undefined) return true
  return client_id === clientName || (clientName === undefined && !bound)
}

type OwnedSession = { session_id: string; user_id: string }

const keyOf = ({ session_id, user_id }: OwnedSession, generation: number) =>
  `${session_id} ${user_id} ${generation}`

const ignore = () => undefined

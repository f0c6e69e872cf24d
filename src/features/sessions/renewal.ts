import type { FastifyBaseLogger } from 'fastify'
import type { Caller } from '../../http/caller.js'
import { createBatcher } from '../../concurrency/batch.js'
import { AppError } from '../../errors.js'
import type { Limits } from '../limits/limits.js'
import type { SessionRepository } from './repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { Grant, TokenPair, TokenService } from '../tokens/service.js'
import { createRefreshRule, type SessionState } from './refresh-rule.js'
import type { Step } from './rotations.js'
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
  /** How long every spent refresh token gets the present one, in seconds. */
  grace: number
}

export type Resumed = { tokens: TokenPair; user_id: string; session_id: string }

/** Staying logged in. */
export function createRenewal(dependencies: RenewalDependencies) {
  const { store, tokens, limits, usage, log, grace } = dependencies
  const { decide } = createRefreshRule(grace)

  // All that bring one token share its rotation: the rule would repeat it to each of them.
  const rotateTogether = createBatcher(async (steps: Step[]) => {
    const grants = await store.sessions.rotate(steps)
    const found = new Map(grants.map((grant) => [nameOf(grant, grant.generation - 1), grant]))
    return steps.map((step) => found.get(nameOf({ ...step, session_id: step.id }, step.generation)))
  })

  const readTogether = createBatcher(async (ids: string[]) => {
    const positions = await store.sessions.read(ids)
    const found = new Map(positions.map((position) => [position.grant.session_id, position]))
    return ids.map((id) => found.get(id))
  })

  const lateRepeats = new Map<string, Promise<void>>()

  return { refresh, resume }

  /**
   * Exchanges a refresh token for the next pair, or repeats the present one, as createRefreshRule()
   * says. Reuse ends the session (RFC 9700 §4.14.2).
   * @throws AppError `invalid_token`, `rate_limited`, `unavailable`
   */
  async function refresh(token: string, caller: Caller): Promise<TokenPair> {
    return (await resume(token, caller)).tokens
  }

  /** The same, and whose session it is. What fails counts against the client's network. */
  async function resume(token: string, caller: Caller): Promise<Resumed> {
    try {
      return await exchange(token, caller)
    } catch (error) {
      if (error instanceof AppError && error.code === 'invalid_token') {
        await limits.penalise('refresh', caller.address)
      }
      throw error
    }
  }

  async function exchange(token: string, caller: Caller): Promise<Resumed> {
    const { sid, sub, gen } = tokens.readRefreshToken(token)
    const step = { id: sid, user_id: sub, generation: gen }
    // Nearly every refresh is a rotation: it is tried before anything is read.
    const grant = (await rotateTogether(step)) ?? (await follow(step, caller))
    return { tokens: tokens.issue(grant), user_id: sub, session_id: sid }
  }

  /**
   * Does what the rule decides. Where the session changed between reading and writing, it decides again.
   * @throws AppError `invalid_token` for reuse and where there is no session, `unavailable`
   */
  async function follow(step: Step, caller: Caller, tries = 5): Promise<Grant> {
    const position = await readTogether(step.id)
    if (position?.grant.user_id !== step.user_id) throw new AppError('invalid_token')
    const { grant, state, now } = position
    const decision = decide(state, step.generation, now)
    if (decision === 'repeat') return grant
    if (decision === 'reuse') return endReused(step, caller)
    const next = decision === 'rotate' ? await rotate(step) : await repeatLate(step, state, caller)
    if (next) return next
    if (tries === 1) throw new AppError('unavailable')
    return follow(step, caller, tries - 1)
  }

  /** For a session that was locked, which rotateTogether() passes over. */
  async function rotate(step: Step): Promise<Grant | undefined> {
    const [grant] = await store.sessions.rotate([step], { wait: true })
    return grant
  }

  /** One at a time for a session: tabs that wake up together take one connection, not one each. */
  async function repeatLate(step: Step, state: SessionState, caller: Caller) {
    const other = lateRepeats.get(step.id)
    if (other) return other.then(() => undefined)
    const own = countRepeat(step, state, caller)
    const settled = own.then(ignore, ignore)
    lateRepeats.set(step.id, settled)
    void settled.then(() => lateRepeats.delete(step.id))
    return own
  }

  async function countRepeat(step: Step, state: SessionState, caller: Caller) {
    await usage.settled()
    const { id: session, user_id } = step
    const event = 'session.refresh_repeated'
    const grant = await store.transaction(async (tx) => {
      const repeated = await tx.sessions.repeatLate(step, state)
      if (repeated) await tx.audit.add({ event, caller, user_id, detail: { session } })
      return repeated
    })
    if (grant) {
      log.info({ event: 'refresh_repeated', user_id, sid: session }, 'refresh token repeated late')
    }
    return grant
  }

  /** @throws AppError `invalid_token` */
  async function endReused({ id: session, user_id }: Step, caller: Caller): Promise<never> {
    await store.transaction(async (tx) => {
      await tx.sessions.end(session)
      const event = 'session.refresh_reuse'
      await tx.audit.add({ event, caller, user_id, detail: { session } })
    })
    log.warn({ event: 'refresh_reuse', user_id, sid: session }, 'a spent refresh token came back')
    throw new AppError('invalid_token')
  }
}

type Named = { session_id: string; user_id: string }

const nameOf = ({ session_id, user_id }: Named, generation: number) =>
  `${session_id} ${user_id} ${generation}`

const ignore = () => undefined

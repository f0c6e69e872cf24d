import type { FastifyBaseLogger } from 'fastify'
import type { Caller } from '../audit/caller.js'
import { createBatcher } from '../db/batch.js'
import { AppError } from '../errors.js'
import type { Limits } from '../limits/limits.js'
import type { Store } from '../store.js'
import type { Grant, TokenPair, TokenService } from '../tokens/service.js'
import type { Step } from './repository.js'
import type { Usage } from './usage.js'

export type RenewalDependencies = {
  store: Store
  tokens: TokenService
  limits: Limits
  usage: Usage
  log: FastifyBaseLogger
  newId: () => string
  /** How long a spent refresh token gets its successor whatever became of that, in seconds. */
  grace: number
}

export type Resumed = { tokens: TokenPair; user_id: string; session_id: string }

/** Staying logged in. */
export function createRenewal(dependencies: RenewalDependencies) {
  const { store, tokens, limits, usage, log, newId, grace } = dependencies

  const rotateTogether = createBatcher(async (steps: Step[]) => {
    const grants = new Map<string, Grant>()
    for (const grant of await store.sessions.rotateFree(steps)) {
      grants.set(nameOf(grant.session_id, grant.user_id, grant.generation - 1), grant)
    }
    return steps.map(({ id, user_id, generation }) => {
      const name = nameOf(id, user_id, generation)
      const grant = grants.get(name)
      grants.delete(name) // one step is one caller's, however many ask for it
      return grant
    })
  })

  return { refresh, resume }

  /**
   * Exchanges a refresh token for the next pair. The one before the present one still gets the
   * present one, within the grace and for as long as nobody used that: a lost answer or two tabs log
   * nobody out. Any other use of a spent token ends the session (RFC 9700 §4.14.2).
   * @throws AppError `invalid_token`, `rate_limited`
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
    // Who was passed over, for a lock or for another like it, waits for their turn.
    const grant =
      (await rotateTogether(step)) ?? (await store.sessions.rotate(step)) ?? (await repeat(step))
    if (grant) return { tokens: tokens.issue(grant), user_id: sub, session_id: sid }
    await store.transaction(async (tx) => {
      await tx.sessions.end(sid)
      const event = 'session.refresh_reuse'
      await tx.audit.add({ id: newId(), event, caller, user_id: sub, detail: { session: sid } })
    })
    log.warn({ event: 'refresh_reuse', user_id: sub, sid }, 'a spent refresh token came back')
    throw new AppError('invalid_token')
  }

  /**
   * Where the step led, for who may not know; undefined for who must.
   * @throws AppError `invalid_token` where there is no session
   */
  async function repeat({ id, user_id, generation }: Step): Promise<Grant | undefined> {
    await usage.settled()
    const place = await store.sessions.find(id, user_id, grace)
    if (!place) throw new AppError('invalid_token')
    return place.lost && place.grant.generation === generation + 1 ? place.grant : undefined
  }
}

const nameOf = (id: string, user: string, generation: number) => `${id} ${user} ${generation}`

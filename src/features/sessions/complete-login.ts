import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../errors.js'
import type { Limits } from '../limits/limits.js'
import type { TokenPair } from '../tokens/service.js'
import type { User } from '../users/schemas.js'
import { challengeTtl, type LoginOutcome } from './logins.js'
import type { SessionCookies } from './session-cookies.js'

type Options = { cookies: SessionCookies; limits: Pick<Limits, 'refund'> }

/** Turns a login into the HTTP reply. Every login over HTTP ends here. */
export function createCompleteLogin({ cookies, limits }: Options) {
  /**
   * Refunds the network's rate limit, sets the session and device cookies, and returns the body. Set
   * `setsCookies` to false for clients that use tokens only, and `isRefunded` to false if the limit is not the
   * limit on logins.
   * @throws AppError `second_factor_required` with the challenge, if the login is not complete
   */
  return function completeLogin(
    request: FastifyRequest,
    reply: FastifyReply,
    outcome: LoginOutcome,
    { setsCookies = true, isRefunded = true } = {},
  ): TokenPair & { user: User } {
    if (isRefunded) limits.refund(request)
    if ('pending' in outcome) {
      const { challenge, methods, binding } = outcome.pending
      if (binding !== undefined) cookies.write(reply, 'challenge', binding, challengeTtl)
      throw new AppError('second_factor_required', { data: { challenge, methods } })
    }
    const { tokens, user, device } = outcome
    if (setsCookies) cookies.start(request, reply, tokens, device)
    return { ...tokens, user }
  }
}

export type CompleteLogin = ReturnType<typeof createCompleteLogin>

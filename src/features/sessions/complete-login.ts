import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../limits/limits.js'
import type { TokenPair } from '../tokens/service.js'
import type { User } from '../users/schemas.js'
import type { Login } from './logins.js'
import type { SessionCookies } from './session-cookies.js'

type Options = { cookies: SessionCookies; limits: Pick<Limits, 'refund'> }

/** Turns a completed login into the HTTP reply. Every login over HTTP ends here. */
export function createCompleteLogin({ cookies, limits }: Options) {
  /**
   * Refunds the network's rate limit, sets the session and device cookies, and returns the body. Set
   * `setsCookies` to false for clients that use tokens only, and `isRefunded` to false if the limit is not the
   * limit on logins.
   */
  return function completeLogin(
    request: FastifyRequest,
    reply: FastifyReply,
    { tokens, user, device }: Login,
    { setsCookies = true, isRefunded = true } = {},
  ): TokenPair & { user: User } {
    if (isRefunded) limits.refund(request)
    if (setsCookies) cookies.start(request, reply, tokens, device)
    return { ...tokens, user }
  }
}

export type CompleteLogin = ReturnType<typeof createCompleteLogin>

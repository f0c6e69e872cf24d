import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../limits/limits.js'
import type { TokenPair } from '../tokens/service.js'
import type { User } from '../users/schemas.js'
import type { Login } from './logins.js'
import type { SessionCookies } from './session-cookies.js'

type Options = { cookies: SessionCookies; limits: Pick<Limits, 'refund'> }

/** The last step of every login over HTTP: only it turns a Login into a reply. */
export function createCompleteLogin({ cookies, limits }: Options) {
  /**
   * Refunds the limit of the network, sets the cookies of the session and the device, and returns what the
   * body may say. `setsCookies` is false for paths whose clients know only tokens.
   */
  return function completeLogin(
    request: FastifyRequest,
    reply: FastifyReply,
    { tokens, user, device }: Login,
    { setsCookies = true } = {},
  ): TokenPair & { user: User } {
    limits.refund(request)
    if (setsCookies) cookies.start(request, reply, tokens, device)
    return { ...tokens, user }
  }
}

export type CompleteLogin = ReturnType<typeof createCompleteLogin>

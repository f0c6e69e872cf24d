import type { FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { Authenticator } from '../features/sessions/authenticate.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import type { User } from '../features/users/schemas.js'
import type { UserService } from '../features/users/service.js'

type Options = {
  authenticate: Authenticator
  sessions: SessionService
  users: UserService
  cookies: SessionCookies
}

/**
 * Who looks at a page. Where the access token in the cookie has run out, the refresh token in the
 * other cookie renews it on the way, so that a session lasts without a script.
 */
export function createVisitors({ authenticate, sessions, users, cookies }: Options) {
  async function idOf(request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
    const byCookie = request.headers.authorization === undefined
    if (byCookie && cookies.isAmbiguous(request)) {
      cookies.clear(request, reply)
      return undefined
    }
    if (!byCookie || cookies.read(request, 'session') !== undefined) {
      try {
        await authenticate(request)
        return request.user.sub
      } catch (error) {
        if (!isRefusal(error)) throw error
      }
    }
    return renew(request, reply)
  }

  async function renew(request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
    const token = cookies.read(request, 'refresh')
    if (token === undefined || request.headers.authorization !== undefined) return undefined
    try {
      const { user_id, session_id, tokens } = await sessions.resume(token, callerOf(request))
      cookies.set(request, reply, tokens)
      request.user = { ...request.user, sub: user_id, sid: session_id }
      return user_id
    } catch (error) {
      if (!isRefusal(error)) throw error
      cookies.clear(request, reply)
      return undefined
    }
  }

  return {
    async find(request: FastifyRequest, reply: FastifyReply): Promise<User | undefined> {
      const id = await idOf(request, reply)
      return id === undefined ? undefined : users.get(id)
    },
  }
}

export type Visitors = ReturnType<typeof createVisitors>

/** Who is not logged in may look all the same; a client, which is nobody, may not. */
const isRefusal = (error: unknown) =>
  error instanceof AppError && error.statusCode < 500 && error.code !== 'forbidden'

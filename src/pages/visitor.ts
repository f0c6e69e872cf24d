import type { FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import { changesNothing } from '../http/methods.js'
import type { Authenticator } from '../features/sessions/authenticate.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { OldAppService } from '../features/old-app/service.js'
import type { SessionService } from '../features/sessions/service.js'
import type { User } from '../features/users/schemas.js'
import type { UserService } from '../features/users/service.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The signed-in user of a page, whom its header names. */
    visitor: User | undefined
  }
}

type Options = {
  authenticate: Authenticator
  sessions: SessionService
  oldApp: OldAppService
  completeLogin: CompleteLogin
  users: UserService
  cookies: SessionCookies
}

/**
 * Finds the user who requests a page. If the access token in the cookie has expired, the refresh token in the
 * other cookie replaces it, so a session continues without JavaScript.
 */
export function createVisitors({
  authenticate,
  sessions,
  oldApp,
  completeLogin,
  users,
  cookies,
}: Options) {
  async function findUserId(
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<string | undefined> {
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
    if (changesNothing(request) || !byCookie) return undefined
    return (await renew(request, reply)) ?? logInByOldCookie(request, reply)
  }

  async function renew(request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
    const token = cookies.read(request, 'refresh')
    if (token === undefined) return undefined
    try {
      const { user_id, session_id, tokens } = await sessions.refreshSession(
        token,
        callerOf(request),
      )
      cookies.set(request, reply, tokens)
      request.user = { ...request.user, sub: user_id, sid: session_id }
      return user_id
    } catch (error) {
      if (!isRefusal(error)) throw error
      cookies.clear(request, reply)
      return undefined
    }
  }

  /** The cookie of the old app of imported users. One that must not log in is left to expire. */
  async function logInByOldCookie(
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<string | undefined> {
    const cookie = cookies.readOld(request)
    if (cookie === undefined) return undefined
    try {
      const login = await oldApp.byCookie(cookie, callerOf(request))
      if (!login) return undefined
      cookies.removeOld(request, reply)
      const { user } = completeLogin(request, reply, login, { isRefunded: false })
      request.user = { ...request.user, sub: user.id, sid: login.session_id }
      return user.id
    } catch (error) {
      if (!isRefusal(error)) throw error
      return undefined
    }
  }

  return {
    async find(request: FastifyRequest, reply: FastifyReply): Promise<User | undefined> {
      const id = await findUserId(request, reply)
      if (id === undefined) return undefined
      try {
        return (request.visitor = await users.get(id))
      } catch (error) {
        // The account was deleted a moment ago, and this instance does not refuse its tokens yet.
        if (!isRefusal(error)) throw error
        cookies.clear(request, reply)
        return undefined
      }
    },
  }
}

/** How pages name a user. */
export const displayName = ({ name, username, email, mobile }: User) =>
  name ?? username ?? email ?? mobile ?? ''

export type Visitors = ReturnType<typeof createVisitors>

/** Whether to treat the request as one of a visitor who is not signed in. A client gets `forbidden` instead. */
const isRefusal = (error: unknown) =>
  error instanceof AppError && error.statusCode < 500 && error.code !== 'forbidden'

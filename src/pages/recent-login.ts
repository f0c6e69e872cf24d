import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { actorOf, type Actor } from '../http/caller.js'
import { setFlash } from './flash.js'
import type { Visitors } from './visitor.js'

type Options = {
  visitors: Visitors
  cookies: SessionCookies
  /** The page to come back to after a login. */
  path: string
}

/** Returns functions for a page whose changes need a login of the last minutes. */
export function createRecentLogin({ visitors, cookies, path }: Options) {
  function logInFirst(reply: FastifyReply, flash: 'login_required' | 'log_in_again') {
    setFlash(cookies, reply, flash)
    const login = `/login?next=${encodeURIComponent(path)}`
    return reply.redirect(flash === 'log_in_again' ? `${login}&prompt=login` : login, 303)
  }

  return {
    /** Asks a visitor who is not signed in to log in. */
    askLogin: (reply: FastifyReply): FastifyReply => logInFirst(reply, 'login_required'),

    /**
     * Runs a change of the signed-in user. If the login is too old, the user logs in again.
     * @throws AppError `invalid_token`, and what the change throws
     */
    async change(
      request: FastifyRequest,
      reply: FastifyReply,
      work: (caller: Actor) => Promise<FastifyReply>,
    ): Promise<FastifyReply> {
      if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
      try {
        return await work(actorOf(request))
      } catch (error) {
        const isOld = error instanceof AppError && error.code === 'reauthentication_required'
        if (!isOld) throw error
        return logInFirst(reply, 'log_in_again')
      }
    },
  }
}

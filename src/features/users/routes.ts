import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf } from '../../http/caller.js'
import { askingMarks, typingCaller, type AskerCookies } from '../codes/asker.js'
import { ProofBody } from '../codes/schemas.js'
import type { Limits } from '../limits/limits.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { DeleteBody, PasswordBody, ProfileBody, ProfileReply, UserReply } from './schemas.js'
import type { UserService } from './service.js'

type Cookies = AskerCookies & {
  clear: (request: FastifyRequest, reply: FastifyReply) => void
  setDevice: (reply: FastifyReply, mark: string) => void
}

type Options = { users: UserService; cookies: Cookies }

const tags = ['account']

/** A public route, because the link may be opened on another device. */
export const confirmationRoutes: FastifyPluginAsyncTypebox<{
  users: UserService
  cookies: Cookies
  limits: Limits
}> = async (app, { users, cookies, limits }) => {
  app.post(
    '/api/user/confirm',
    {
      preHandler: limits.perNetwork('codes'),
      schema: {
        summary: 'Confirm a new address with the code or link that was sent to it',
        tags,
        body: ProofBody,
        errors: [
          'invalid_code',
          'email_taken',
          'mobile_taken',
          'domain_not_allowed',
          'rate_limited',
        ],
        response: replies({ 200: UserReply }),
      },
    },
    async (request) => {
      const user = await users.confirmAddress(request.body, typingCaller(cookies, request))
      return ok({ message: 'Address changed', user })
    },
  )
}

/** Routes that need an access token: users act on their own account. */
export const userRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { users, cookies }) => {
  app.get(
    '/api/user',
    {
      schema: {
        summary: 'Show your own user',
        tags,
        errors: ['not_found'],
        response: replies({ 200: UserReply }),
      },
    },
    async (request) => ok({ user: await users.get(request.user.sub) }),
  )

  app.patch(
    '/api/user',
    {
      schema: {
        summary: 'Change the profile; a new address must be confirmed by a message',
        tags,
        body: ProfileBody,
        errors: [
          'not_found',
          'invalid_credentials',
          'reauthentication_required',
          'domain_not_allowed',
          'username_taken',
          'rate_limited',
          'overloaded',
        ],
        response: replies({ 200: ProfileReply }),
      },
    },
    async (request, reply) => {
      const { email, mobile } = request.body
      const sendsMessage = email != null || mobile != null
      const marks = sendsMessage && { marks: askingMarks(cookies, request, reply) }
      const changed = await users.update({ ...actorOf(request), ...marks }, request.body)
      const isPending = changed.pending.length > 0
      const message = isPending ? 'Changed: confirm the new address by its message' : 'Changed'
      return ok({ message, ...changed })
    },
  )

  app.delete(
    '/api/user',
    {
      schema: {
        summary: 'Delete your account and all its data; requires the password',
        tags,
        body: DeleteBody,
        errors: [
          'not_found',
          'invalid_credentials',
          'reauthentication_required',
          'last_admin',
          'rate_limited',
          'overloaded',
        ],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request, reply) => {
      await users.delete(actorOf(request), request.body.password)
      cookies.clear(request, reply)
      return ok({ message: 'Account deleted' })
    },
  )

  app.post(
    '/api/user/password',
    {
      schema: {
        summary: 'Change your password; ends every other session',
        tags,
        body: PasswordBody,
        errors: ['not_found', 'invalid_credentials', 'weak_password', 'rate_limited', 'overloaded'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request, reply) => {
      const { device } = await users.changePassword(actorOf(request), request.body)
      cookies.setDevice(reply, device)
      return ok({ message: 'Password changed: other sessions have ended' })
    },
  )
}

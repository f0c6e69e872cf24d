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

/** Without a token, since the link may be opened on another device. */
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
        summary: 'Confirm a new address by the code or the link that was sent to it',
        tags,
        body: ProofBody,
        response: replies({ 200: UserReply }),
      },
    },
    async (request) => {
      const user = await users.confirmAddress(request.body, typingCaller(cookies, request))
      return ok({ message: 'Address changed', user })
    },
  )
}

/** With a token: oneself. */
export const userRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { users, cookies }) => {
  app.get(
    '/api/user',
    { schema: { summary: 'Who is logged in', tags, response: replies({ 200: UserReply }) } },
    async (request) => ok({ user: await users.get(request.user.sub) }),
  )

  app.patch(
    '/api/user',
    {
      schema: {
        summary: 'Change the profile; a new address once a message to it was answered',
        tags,
        body: ProfileBody,
        response: replies({ 200: ProfileReply }),
      },
    },
    async (request, reply) => {
      const { email, mobile } = request.body
      const asks = email != null || mobile != null
      const marks = asks && { marks: askingMarks(cookies, request, reply) }
      const changed = await users.update({ ...actorOf(request), ...marks }, request.body)
      const message = changed.pending.length > 0 ? 'Look for a message to confirm it' : 'Changed'
      return ok({ message, ...changed })
    },
  )

  app.delete(
    '/api/user',
    {
      schema: {
        summary: 'Delete the account and all that belongs to it; asks for the password',
        tags,
        body: DeleteBody,
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
        summary: 'Change the password; ends every other session',
        tags,
        body: PasswordBody,
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

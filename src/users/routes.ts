import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { replies } from '../plugins/openapi.js'
import { RegisterBody, UserReply } from './schemas.js'
import type { UserService } from './service.js'

type Options = { users: UserService }

/** Without a token: making an account. */
export const accountRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { users }) => {
  app.post(
    '/api/register',
    {
      schema: {
        summary: 'Make an account from at least one identifier and a password',
        tags: ['account'],
        body: RegisterBody,
        response: replies({ 201: UserReply }),
      },
    },
    async (request, reply) => {
      const user = await users.register(request.body)
      return reply.code(201).send({ status: 'success', message: 'Registered', user })
    },
  )
}

/** With a token: oneself. */
export const userRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { users }) => {
  app.get(
    '/api/user',
    {
      schema: {
        summary: 'The user that the token speaks of',
        tags: ['account'],
        response: replies({ 200: UserReply }),
      },
    },
    async (request) => ({ status: 'success' as const, user: await users.get(request.user.sub) }),
  )

  app.get(
    '/',
    {
      schema: {
        summary: 'Who is logged in',
        tags: ['account'],
        response: replies({ 200: UserReply }),
      },
    },
    async (request) => ({ status: 'success' as const, user: await users.get(request.user.sub) }),
  )
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { askingCaller, typingCaller } from '../codes/asker.js'
import type { SessionCookies } from '../sessions/session-cookies.js'
import { ProofBody } from '../codes/schemas.js'
import type { Limits } from '../limits/limits.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { UserReply } from '../users/schemas.js'
import { AddressBody, RegisterBody, ResetBody } from './schemas.js'
import type { AccountService } from './service.js'

type Options = {
  accounts: AccountService
  cookies: SessionCookies
  limits: Limits
  activation: boolean
}

/** Public routes: registration, activation and password reset. */
export const accountRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, cookies, limits, activation },
) => {
  const tags = ['account']

  app.post(
    '/api/register',
    {
      preHandler: limits.perNetwork('register'),
      schema: {
        summary: 'Create an account with at least one identifier and a password',
        tags,
        body: RegisterBody,
        errors: [
          'registration_closed',
          'invitation_required',
          'invalid_invitation',
          'domain_not_allowed',
          'email_taken',
          'username_taken',
          'mobile_taken',
          'weak_password',
          'rate_limited',
          'overloaded',
        ],
        response: replies({ 201: UserReply }),
      },
    },
    async (request, reply) => {
      const user = await accounts.register(request.body, askingCaller(cookies, request, reply))
      const message = activation ? 'Registered: follow the activation message' : 'Registered'
      return reply.code(201).send(ok({ message, user }))
    },
  )

  app.post(
    '/api/activate',
    {
      preHandler: limits.perNetwork('codes'),
      schema: {
        summary: 'Activate an account with the code or link that was sent',
        tags,
        body: ProofBody,
        errors: ['invalid_code', 'rate_limited'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await accounts.activate(request.body, typingCaller(cookies, request))
      return ok({ message: 'Activated: you can log in' })
    },
  )

  app.post(
    '/api/activate/resend',
    {
      preHandler: limits.perNetwork('forgot'),
      schema: {
        summary: 'Send the activation message again; the reply is the same for every address',
        tags,
        body: AddressBody,
        errors: ['rate_limited'],
        response: replies({ 202: MessageReply }),
      },
    },
    async (request, reply) => {
      await accounts.resend(request.body, askingCaller(cookies, request, reply))
      const message = 'If there is an account to activate, a message is on its way'
      return reply.code(202).send(ok({ message }))
    },
  )

  app.post(
    '/api/password/forgot',
    {
      preHandler: limits.perNetwork('forgot'),
      schema: {
        summary: 'Send a message to reset the password; the reply is the same for every address',
        tags,
        body: AddressBody,
        errors: ['rate_limited'],
        response: replies({ 202: MessageReply }),
      },
    },
    async (request, reply) => {
      await accounts.forgot(request.body, askingCaller(cookies, request, reply))
      const message = 'If there is an account, a message is on its way'
      return reply.code(202).send(ok({ message }))
    },
  )

  app.post(
    '/api/password/reset',
    {
      preHandler: limits.perNetwork('codes'),
      schema: {
        summary: 'Set a new password with the code or link that was sent; ends every session',
        tags,
        body: ResetBody,
        errors: ['invalid_code', 'weak_password', 'rate_limited', 'overloaded'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request, reply) => {
      const { device } = await accounts.reset(request.body, typingCaller(cookies, request))
      cookies.setDevice(reply, device)
      return ok({ message: 'Password changed: you can log in' })
    },
  )
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { describeList, sendAsCsv } from '../../http/lists.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { EndedReply } from '../sessions/schemas.js'
import {
  Account,
  AccountParams,
  AccountReply,
  AccountsQuery,
  AccountsReply,
  CreateAccountBody,
  EditAccountBody,
} from './schemas.js'
import type { AdministrationService } from './service.js'

type Options = { administration: AdministrationService; publicUrl: string }

const tags = ['administration']
const params = AccountParams

/** Routes for administrators: the accounts of all users. */
export const administrationRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { administration, publicUrl },
) => {
  app.get(
    '/api/users',
    {
      schema: {
        summary: 'List users, the newest first, in pages',
        description: describeList('List users in pages'),
        tags,
        querystring: AccountsQuery,
        response: replies({ 200: AccountsReply }),
      },
    },
    async (request, reply) => {
      const page = await administration.list(request.query)
      const list = { name: 'users', schema: Account, publicUrl }
      return sendAsCsv(request, reply, list, { ...page, rows: page.users }) ?? ok(page)
    },
  )

  app.post(
    '/api/users',
    {
      schema: {
        summary: 'Create an account and invite its owner to choose a password',
        tags,
        body: CreateAccountBody,
        errors: ['not_found', 'email_taken', 'username_taken', 'mobile_taken'],
        response: replies({ 201: AccountReply }),
      },
    },
    async (request, reply) => {
      const user = await administration.create(actorOf(request), request.body)
      return reply.code(201).send(ok({ message: 'Account created, and an invitation sent', user }))
    },
  )

  app.get(
    '/api/users/:id',
    {
      schema: {
        summary: 'Show a user',
        tags,
        params,
        errors: ['not_found'],
        response: replies({ 200: AccountReply }),
      },
    },
    async (request) => ok({ user: await administration.get(request.params.id) }),
  )

  app.patch(
    '/api/users/:id',
    {
      schema: {
        summary: 'Change a user; new addresses count as verified',
        tags,
        params,
        body: EditAccountBody,
        errors: ['not_found', 'email_taken', 'username_taken', 'mobile_taken'],
        response: replies({ 200: AccountReply }),
      },
    },
    async (request) => {
      const user = await administration.edit(actorOf(request), request.params.id, request.body)
      return ok({ message: 'User changed', user })
    },
  )

  app.delete(
    '/api/users/:id',
    {
      schema: {
        summary: 'Delete a user and all their data',
        tags,
        params,
        errors: ['not_found', 'last_admin'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await administration.delete(actorOf(request), request.params.id)
      return ok({ message: 'User deleted' })
    },
  )

  app.post(
    '/api/users/:id/disable',
    {
      schema: {
        summary: 'End every session of a user, and reject new logins',
        tags,
        params,
        errors: ['not_found', 'last_admin'],
        response: replies({ 200: AccountReply }),
      },
    },
    async (request) => {
      const user = await administration.disable(actorOf(request), request.params.id)
      return ok({ message: 'User disabled', user })
    },
  )

  app.post(
    '/api/users/:id/enable',
    {
      schema: {
        summary: 'Let a user log in again',
        tags,
        params,
        errors: ['not_found'],
        response: replies({ 200: AccountReply }),
      },
    },
    async (request) => {
      const user = await administration.enable(actorOf(request), request.params.id)
      return ok({ message: 'User enabled', user })
    },
  )

  app.post(
    '/api/users/:id/password/reset',
    {
      schema: {
        summary: 'Remove the password of a user and send a message to choose another',
        tags,
        params,
        errors: ['not_found', 'no_address'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await administration.forceReset(actorOf(request), request.params.id)
      return ok({ message: 'Password removed: a message to choose another is on its way' })
    },
  )

  app.delete(
    '/api/users/:id/sessions',
    {
      schema: {
        summary: 'End every session of a user',
        tags,
        params,
        errors: ['not_found'],
        response: replies({ 200: EndedReply }),
      },
    },
    async (request) => {
      const ended = await administration.endSessions(actorOf(request), request.params.id)
      return ok({ message: 'Sessions ended', ended })
    },
  )
}

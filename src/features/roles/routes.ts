import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { GrantParams, RoleBody, RoleParams, RoleReply, RolesReply } from './schemas.js'
import type { RoleService } from './service.js'

type Options = { roles: RoleService }

const tags = ['roles']

/** Routes for administrators: roles, and which users have them. */
export const roleRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { roles }) => {
  app.get(
    '/api/roles',
    { schema: { summary: 'List every role', tags, response: replies({ 200: RolesReply }) } },
    async () => ok({ roles: await roles.list() }),
  )

  app.post(
    '/api/roles',
    {
      schema: {
        summary: 'Create a role',
        tags,
        body: RoleBody,
        errors: ['role_taken'],
        response: replies({ 201: RoleReply }),
      },
    },
    async (request, reply) => {
      const role = await roles.create(actorOf(request), request.body.name)
      return reply.code(201).send(ok({ message: 'Role created', role }))
    },
  )

  app.delete(
    '/api/roles/:name',
    {
      schema: {
        summary: 'Delete a role, and revoke it from all users and clients',
        tags,
        params: RoleParams,
        errors: ['not_found', 'built_in_role'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await roles.delete(actorOf(request), request.params.name)
      return ok({ message: 'Role deleted' })
    },
  )

  app.post(
    '/api/users/:id/roles/:name',
    {
      schema: {
        summary: 'Grant a role to a user',
        tags,
        params: GrantParams,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await roles.grant(actorOf(request), request.params.id, request.params.name)
      return ok({ message: 'Role granted' })
    },
  )

  app.delete(
    '/api/users/:id/roles/:name',
    {
      schema: {
        summary: 'Revoke a role of a user',
        tags,
        params: GrantParams,
        errors: ['not_found', 'last_admin'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await roles.revoke(actorOf(request), request.params.id, request.params.name)
      return ok({ message: 'Role revoked' })
    },
  )
}

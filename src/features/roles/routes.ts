import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { GrantParams, RoleBody, RoleParams, RoleReply, RolesReply } from './schemas.js'
import type { RoleService } from './service.js'

type Options = { roles: RoleService }

const tags = ['roles']

/** For administrators: which roles there are, and who has them. */
export const roleRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { roles }) => {
  app.get(
    '/api/roles',
    { schema: { summary: 'Every role', tags, response: replies({ 200: RolesReply }) } },
    async () => ok({ roles: await roles.list() }),
  )

  app.post(
    '/api/roles',
    {
      schema: {
        summary: 'Make a role',
        tags,
        body: RoleBody,
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
        summary: 'Delete a role, and take it from all who have it',
        tags,
        params: RoleParams,
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
        summary: 'Take a role from a user',
        tags,
        params: GrantParams,
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await roles.revoke(actorOf(request), request.params.id, request.params.name)
      return ok({ message: 'Role revoked' })
    },
  )
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import {
  InvitationBody,
  InvitationParams,
  InvitationReply,
  InvitationsQuery,
  InvitationsReply,
} from './schemas.js'
import type { InvitationService } from './service.js'

type Options = { invitations: InvitationService }

const tags = ['administration']

/** Invitations to register, for administrators. */
export const invitationRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { invitations },
) => {
  app.get(
    '/api/invitations',
    {
      schema: {
        summary: 'List the invitations, the newest first, in pages',
        tags,
        querystring: InvitationsQuery,
        response: replies({ 200: InvitationsReply }),
      },
    },
    async (request) => ok(await invitations.list(request.query)),
  )

  app.post(
    '/api/invitations',
    {
      schema: {
        summary: 'Invite someone to register',
        tags,
        body: InvitationBody,
        errors: [
          'not_found',
          'registration_closed',
          'domain_not_allowed',
          'email_taken',
          'mobile_taken',
        ],
        response: replies({ 201: InvitationReply }),
      },
    },
    async (request, reply) => {
      const created = await invitations.create(actorOf(request), request.body)
      const message = created.link === undefined ? 'Invitation sent' : 'Invitation created'
      return reply.code(201).send(ok({ message, ...created }))
    },
  )

  app.delete(
    '/api/invitations/:id',
    {
      schema: {
        summary: 'Revoke an invitation that was not used',
        tags,
        params: InvitationParams,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await invitations.revoke(actorOf(request), request.params.id)
      return ok({ message: 'Invitation revoked' })
    },
  )
}

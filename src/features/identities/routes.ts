import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { DeleteBody } from '../users/schemas.js'
import type { IdentityService } from './identities.js'
import { IdentitiesReply, IdentityParams } from './schemas.js'

type Options = { identities: IdentityService }

const tags = ['users']

/** The providers that a user has connected. Login and connecting need a browser: see pages/social.ts and pages/connections.ts. */
export const identityRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { identities }) => {
  app.get(
    '/api/user/identities',
    {
      schema: {
        summary: 'List the connected providers',
        tags,
        response: replies({ 200: IdentitiesReply }),
      },
    },
    async (request) => ok({ identities: await identities.list(request.user.sub) }),
  )

  app.delete(
    '/api/user/identities/:provider',
    {
      schema: {
        summary:
          'Disconnect a provider; needs the password, or a login within the last five minutes',
        tags,
        params: IdentityParams,
        body: Type.Union([DeleteBody, Type.Null()]),
        errors: [
          'not_found',
          'invalid_credentials',
          'reauthentication_required',
          'last_login_method',
        ],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      const { password } = request.body ?? {}
      await identities.disconnect(request.params.provider, actorOf(request), password)
      return ok({ message: 'Disconnected' })
    },
  )
}

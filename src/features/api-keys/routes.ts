import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { ApiKeyBody, ApiKeyParams, ApiKeysReply, NewApiKeyReply } from './schemas.js'
import type { ApiKeyService } from './service.js'

type Options = { apiKeys: ApiKeyService }

const tags = ['api-keys']

/** Routes that need an access token of a login: no API key makes or revokes another. */
export const apiKeyRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { apiKeys }) => {
  app.get(
    '/api/user/api-keys',
    {
      schema: {
        summary: 'List your API keys, the newest first',
        tags,
        response: replies({ 200: ApiKeysReply }),
      },
    },
    async (request) => ok({ api_keys: await apiKeys.list(request.user.sub) }),
  )

  app.post(
    '/api/user/api-keys',
    {
      schema: {
        summary: 'Create an API key; needs the password, or a login within the last five minutes',
        tags,
        body: ApiKeyBody,
        errors: [
          'not_found',
          'api_key_limit',
          'invalid_credentials',
          'reauthentication_required',
          'rate_limited',
          'overloaded',
        ],
        response: replies({ 201: NewApiKeyReply }),
      },
    },
    async (request, reply) => {
      const created = await apiKeys.create(actorOf(request), request.body)
      const message = 'API key created: it cannot be shown again'
      return reply.code(201).send(ok({ message, ...created }))
    },
  )

  app.delete(
    '/api/user/api-keys/:id',
    {
      schema: {
        summary: 'Revoke an API key, and the access tokens that were issued for it',
        tags,
        params: ApiKeyParams,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await apiKeys.revoke(actorOf(request), request.params.id)
      return ok({ message: 'API key revoked' })
    },
  )
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type TSchema } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { callerOf } from '../../http/caller.js'
import { invalidClient } from '../clients/credentials.js'
import type { Client } from '../clients/repository.js'
import type { ClientService } from '../clients/service.js'
import { AppError, invalidField } from '../../errors.js'
import { readCredentials } from './credentials.js'
import { sendOAuthError } from './errors.js'
import { acceptForms, consumes } from './form.js'
import { TokenQuery, Introspection, OAuthError, TokenForm, TokenReply } from './schemas.js'
import type { OAuthService } from './service.js'

type Options = { oauth: OAuthService; clients: ClientService }

const shared = { tags: ['oauth'], consumes }
const repliesOf = <Body extends TSchema>(body: Body) => ({
  200: body,
  '4xx': OAuthError,
  '5xx': OAuthError,
})

/** The OAuth endpoints for other services: get, introspect and revoke tokens. */
export const oauthRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { oauth, clients }) => {
  acceptForms(app)
  app.setErrorHandler(sendOAuthError)
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('pragma', 'no-cache') // RFC 6749 §5.1
  })

  app.post(
    '/oauth/token',
    {
      schema: {
        summary: 'A token for a client, or the next pair for a refresh token (RFC 6749 §4.4, §6)',
        ...shared,
        security: [{ client: [] }, {}],
        body: TokenForm,
        response: repliesOf(TokenReply),
      },
    },
    async (request) => {
      const { grant_type, refresh_token, scope } = request.body
      const client = await findClient(request)
      if (grant_type !== 'client_credentials' && grant_type !== 'refresh_token') {
        throw new AppError('unsupported_grant_type')
      }
      if (scope !== undefined) throw new AppError('invalid_scope')
      if (grant_type === 'client_credentials') return oauth.issueToClient(requireClient(client))
      if (refresh_token === undefined) throw invalidField('refresh_token', 'is required')
      return oauth.refresh(refresh_token, callerOf(request))
    },
  )

  app.post(
    '/oauth/introspect',
    {
      schema: {
        summary: 'Whether an access token is valid, and its claims (RFC 7662)',
        ...shared,
        security: [{ client: [] }],
        body: TokenQuery,
        response: repliesOf(Introspection),
      },
    },
    async (request) => {
      requireClient(await findClient(request))
      return oauth.introspect(request.body.token)
    },
  )

  app.post(
    '/oauth/revoke',
    {
      schema: {
        summary: 'Revoke a token; a refresh token ends its session (RFC 7009)',
        ...shared,
        security: [{ client: [] }, {}],
        body: TokenQuery,
        response: repliesOf(Type.Literal('', { description: 'the token is no longer valid' })),
      },
    },
    async (request, reply) => {
      const client = await findClient(request)
      await oauth.revoke(request.body.token, {
        ...callerOf(request),
        user_id: client?.id ?? null,
      })
      return reply.send('')
    },
  )

  type Form = { client_id?: string; client_secret?: string }

  /** Returns the client of a request with credentials. @throws AppError `invalid_client`, `rate_limited` */
  async function findClient(request: FastifyRequest): Promise<Client | undefined> {
    const credentials = readCredentials(request, request.body as Form)
    return credentials && clients.authenticate(credentials, callerOf(request))
  }
}

/** @throws AppError `invalid_client` */
function requireClient(client: Client | undefined): Client {
  if (!client) throw invalidClient()
  return client
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type TSchema } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { AuthorizationService } from '../authorization/service.js'
import { callerOf } from '../../http/caller.js'
import { invalidClient } from '../clients/credentials.js'
import type { Client } from '../clients/repository.js'
import type { ClientService } from '../clients/service.js'
import { AppError, invalidField } from '../../errors.js'
import type { DeviceLogins } from '../device-logins/service.js'
import { readCredentials } from './credentials.js'
import { addDeviceAuthorization } from './device-authorization.js'
import { sendOAuthError } from './errors.js'
import { acceptForms, consumes } from './form.js'
import {
  accessTokenType,
  deviceCodeGrant,
  Introspection,
  OAuthError,
  tokenExchange,
  TokenForm,
  TokenQuery,
  TokenReply,
} from './schemas.js'
import type { OAuthService } from './service.js'

type Options = {
  oauth: OAuthService
  clients: ClientService
  authorization: AuthorizationService
  /** Undefined with DEVICE_LOGIN=off. */
  deviceLogins: DeviceLogins | undefined
}

const shared = { tags: ['oauth'], consumes }
const repliesOf = <Body extends TSchema>(body: Body) => ({
  200: body,
  '4xx': OAuthError,
  '5xx': OAuthError,
})

/** The OAuth endpoints for other services: get, introspect and revoke tokens. */
export const oauthRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { oauth, clients, authorization, deviceLogins },
) => {
  const grantTypes = [...alwaysGranted, ...(deviceLogins ? [deviceCodeGrant] : [])]
  acceptForms(app)
  app.setErrorHandler(sendOAuthError)
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('pragma', 'no-cache') // RFC 6749 §5.1
  })

  app.post(
    '/oauth/token',
    {
      schema: {
        summary:
          'Tokens for a code, a device, a refresh token, an API key or a client itself (RFC 6749 §4, RFC 8628, RFC 8693)',
        ...shared,
        security: [{ client: [] }, {}],
        body: TokenForm,
        response: repliesOf(TokenReply),
      },
    },
    async (request) => {
      const { grant_type, refresh_token, scope } = request.body
      const client = await findClient(request)
      if (!grantTypes.includes(grant_type)) throw new AppError('unsupported_grant_type')
      if (scope !== undefined) throw new AppError('invalid_scope')
      if (grant_type === 'client_credentials') return oauth.issueToClient(requireSecret(client))
      if (grant_type === tokenExchange) return exchangeKey(request)
      if (grant_type === 'authorization_code') return exchangeCode(request, client)
      if (grant_type === deviceCodeGrant) return redeemDevice(request, client)
      if (refresh_token === undefined) throw invalidField('refresh_token', 'is required')
      return oauth.refresh(refresh_token, callerOf(request), client)
    },
  )

  if (deviceLogins) addDeviceAuthorization(app, { deviceLogins, findClient })

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
      const client = requireSecret(await findClient(request))
      return oauth.introspect(request.body.token, client)
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

  /** @throws AppError `invalid_client`, `validation_failed`, `invalid_grant`, `rate_limited` */
  function exchangeCode(request: FastifyRequest, client: Client | undefined) {
    if (!client) throw invalidClient()
    const { code, redirect_uri, code_verifier } = request.body as TokenForm
    if (code === undefined) throw invalidField('code', 'is required')
    if (redirect_uri === undefined) throw invalidField('redirect_uri', 'is required')
    if (code_verifier === undefined) throw invalidField('code_verifier', 'is required')
    return authorization.exchange(client, { code, redirect_uri, code_verifier }, callerOf(request))
  }

  /** @throws AppError as DeviceLogins.redeem() says, `validation_failed` */
  async function redeemDevice(request: FastifyRequest, client: Client | undefined) {
    const { client_id, device_code } = request.body as TokenForm
    if (!deviceLogins) throw new AppError('unsupported_grant_type')
    if (!client && client_id === undefined) throw invalidField('client_id', 'is required')
    if (device_code === undefined) throw invalidField('device_code', 'is required')
    return deviceLogins.redeem(client, device_code, callerOf(request))
  }

  /** @throws AppError `validation_failed`, `rate_limited`, `overloaded`, `unavailable` */
  async function exchangeKey({ body, ip }: FastifyRequest): Promise<TokenReply> {
    const form = body as TokenForm
    const { subject_token, subject_token_type, requested_token_type = accessTokenType } = form
    for (const name of ['actor_token', 'audience', 'resource'] as const)
      if (form[name] !== undefined) throw invalidField(name, 'is not supported')
    if (subject_token === undefined) throw invalidField('subject_token', 'is required')
    if (subject_token_type !== accessTokenType)
      throw invalidField('subject_token_type', `must be ${accessTokenType}`)
    if (requested_token_type !== accessTokenType)
      throw invalidField('requested_token_type', `must be ${accessTokenType}`)
    const token = await oauth.exchangeKey(subject_token, ip)
    return { ...token, issued_token_type: accessTokenType }
  }

  type Form = { client_id?: string; client_secret?: string }

  /** Returns the client of a request with credentials. @throws AppError `invalid_client`, `rate_limited` */
  async function findClient(request: FastifyRequest): Promise<Client | undefined> {
    const credentials = readCredentials(request, request.body as Form)
    return credentials && clients.authenticate(credentials, callerOf(request))
  }
}

const alwaysGranted = ['authorization_code', 'client_credentials', 'refresh_token', tokenExchange]

/** A public client proves nothing. @throws AppError `invalid_client` */
function requireSecret(client: Client | undefined): Client {
  if (!client || client.is_public) throw invalidClient()
  return client
}

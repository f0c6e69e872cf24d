import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import type { Limits } from '../limits/limits.js'
import type { CompleteLogin } from '../sessions/complete-login.js'
import { LoginReply } from '../sessions/schemas.js'
import type { SessionCookies } from '../sessions/session-cookies.js'
import type { PasskeyLogins } from './logins.js'
import {
  CreationOptionsReply,
  PasskeyBody,
  PasskeyLoginBody,
  PasskeyNameBody,
  PasskeyOptionsBody,
  PasskeyParams,
  PasskeyReply,
  PasskeysReply,
  RequestOptionsReply,
} from './schemas.js'
import type { PasskeyService } from './service.js'

type Options = { passkeys: PasskeyService }
type LoginOptions = {
  passkeyLogins: PasskeyLogins
  cookies: SessionCookies
  completeLogin: CompleteLogin
  limits: Limits
}

const tags = ['passkeys']

/** The public routes: they open a session. */
export const passkeyLoginRoutes: FastifyPluginAsyncTypebox<LoginOptions> = async (
  app,
  { passkeyLogins, cookies, completeLogin, limits },
) => {
  app.post(
    '/api/login/passkey/options',
    {
      schema: {
        summary: 'Begin a login by a passkey',
        description: 'For `navigator.credentials.get`. Without `challenge` no username is needed.',
        tags,
        body: PasskeyOptionsBody,
        errors: ['invalid_state', 'rate_limited'],
        response: replies({ 200: RequestOptionsReply }),
      },
    },
    async (request) => {
      const caller = cookies.loginCaller(request)
      return ok({ options: await passkeyLogins.begin(request.body?.challenge, caller) })
    },
  )

  app.post(
    '/api/login/passkey',
    {
      preHandler: limits.perNetwork('login'),
      schema: {
        summary: 'Log in by a passkey, or complete a login by one',
        tags,
        body: PasskeyLoginBody,
        errors: [
          'invalid_passkey',
          'invalid_state',
          'activation_required',
          'second_factor_required',
          'user_verification_required',
          'rate_limited',
        ],
        response: replies({ 200: LoginReply }),
      },
    },
    async (request, reply) => {
      const login = await passkeyLogins.logIn(request.body, cookies.loginCaller(request))
      const body = completeLogin(request, reply, login)
      return ok({ message: 'Login successful!', ...body })
    },
  )
}

/** The passkeys of the user. */
export const passkeyRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { passkeys }) => {
  app.get(
    '/api/user/passkeys',
    {
      schema: {
        summary: 'The passkeys of the user, the oldest first',
        tags,
        response: replies({ 200: PasskeysReply }),
      },
    },
    async (request) => ok({ passkeys: await passkeys.list(actorOf(request).user_id) }),
  )

  app.post(
    '/api/user/passkeys/options',
    {
      schema: {
        summary: 'Begin to add a passkey',
        description: 'For `navigator.credentials.create`. Needs a login of the last five minutes.',
        tags,
        errors: ['not_found', 'reauthentication_required', 'passkey_limit'],
        response: replies({ 200: CreationOptionsReply }),
      },
    },
    async (request) => ok({ options: await passkeys.begin(actorOf(request)) }),
  )

  app.post(
    '/api/user/passkeys',
    {
      schema: {
        summary: 'Add a passkey',
        tags,
        body: PasskeyBody,
        errors: [
          'not_found',
          'reauthentication_required',
          'invalid_passkey',
          'passkey_limit',
          'passkey_taken',
        ],
        response: replies({ 201: PasskeyReply }),
      },
    },
    async (request, reply) => {
      const passkey = await passkeys.add(actorOf(request), request.body)
      return reply.code(201).send(ok({ message: 'Passkey added', passkey }))
    },
  )

  app.patch(
    '/api/user/passkeys/:id',
    {
      schema: {
        summary: 'Rename a passkey',
        tags,
        params: PasskeyParams,
        body: PasskeyNameBody,
        errors: ['not_found'],
        response: replies({ 200: PasskeyReply }),
      },
    },
    async (request) => {
      const { id } = request.params
      const passkey = await passkeys.rename(actorOf(request), id, request.body.name)
      return ok({ message: 'Passkey renamed', passkey })
    },
  )

  app.delete(
    '/api/user/passkeys/:id',
    {
      schema: {
        summary: 'Remove a passkey',
        tags,
        params: PasskeyParams,
        errors: ['not_found', 'reauthentication_required', 'last_login_method', 'factor_required'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await passkeys.remove(actorOf(request), request.params.id)
      return ok({ message: 'Passkey removed' })
    },
  )
}

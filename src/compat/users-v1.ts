import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { AccountService } from '../features/registration/service.js'
import { actorOf, callerOf } from '../http/caller.js'
import type { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { Challenge } from '../http/replies.js'
import { prepareError } from '../http/errors.js'
import { RoleBody, RoleName, RoleParams } from '../features/roles/schemas.js'
import type { RoleService } from '../features/roles/service.js'
import { Session, SessionParams } from '../features/sessions/schemas.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import type { UserService } from '../features/users/service.js'
import { closed, requireFilled, Text } from './wire.js'

type Options = {
  accounts: AccountService
  sessions: SessionService
  completeLogin: CompleteLogin
  roles: RoleService
  users: UserService
  limits: Limits
  cookies: SessionCookies
  /** Requires an access token, and the role if one is given, for all routes of a scope. */
  secure: (scope: FastifyInstance, role?: string) => void
}

const tags = ['dialect: /api/v1']
const Failure = Type.Object({ error: Type.String(), ...Challenge })
const Message = Type.Object({ msg: Type.String() })
const replies = <Body>(body: Body) => ({ 200: body, '4xx': Failure, '5xx': Failure })

/** Error messages of this dialect that differ from errors.ts. */
const messages: Partial<Record<string, string>> = {
  username_taken: 'username already used',
  email_taken: 'email already used',
  role_taken: 'role already used',
}

/** The dialect under /api/v1, with replies of the form `{"msg"}` or `{"error"}`. It calls the services of /api. */
export const usersV1: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, sessions, completeLogin, roles, users, limits, cookies, secure } = options

  app.setErrorHandler((thrown: AppError, request, reply) => {
    const { code, message, fields, statusCode, data } = prepareError(thrown, request, reply)
    const [fault] = fields ?? []
    const error = messages[code] ?? (fault ? `${fault.field} ${fault.message}` : message)
    return reply.code(statusCode === 409 ? 400 : statusCode).send({ error, ...data })
  })

  app.post(
    '/api/v1/users/signup',
    {
      preHandler: limits.perNetwork('register'),
      schema: {
        summary: 'Register',
        tags,
        body: Type.Object({ username: Text, email: Text, password: Text }, closed),
        response: replies(Message),
      },
    },
    async (request) => {
      const body = requireFilled(request.body, ['username', 'email', 'password'], 'is empty')
      await accounts.register(body, callerOf(request))
      return { msg: 'welcome :-)' }
    },
  )

  app.post(
    '/api/v1/users/login',
    {
      schema: {
        summary: 'Log in',
        tags,
        body: Type.Object({ username: Text, password: Text }, closed),
        response: replies(
          Type.Object({
            msg: Type.String(),
            token: Type.String(),
            access_token: Type.String(),
            refresh_token: Type.String(),
          }),
        ),
      },
    },
    async (request, reply) => {
      const body = requireFilled(request.body, ['username', 'password'], 'is empty')
      const login = await sessions.login(body, cookies.loginCaller(request))
      const tokens = completeLogin(request, reply, login, { setsCookies: false })
      const { access_token, refresh_token } = tokens
      return { msg: 'you are now connected', token: access_token, access_token, refresh_token }
    },
  )

  await app.register(async (secured) => {
    const own: typeof app = secured
    secure(secured)

    own.get(
      '/api/v1/tokens',
      {
        schema: {
          summary: 'List your sessions',
          tags,
          response: replies(Type.Object({ tokens: Type.Array(Session) })),
        },
      },
      async (request) => ({ tokens: await sessions.list(actorOf(request)) }),
    )

    own.delete(
      '/api/v1/tokens',
      { schema: { summary: 'End all your sessions', tags, response: replies(Message) } },
      async (request) => {
        await sessions.endAll(actorOf(request), false)
        return { msg: 'all tokens revoked' }
      },
    )

    own.delete(
      '/api/v1/tokens/:id',
      {
        schema: {
          summary: 'End one session',
          tags,
          params: SessionParams,
          response: replies(Message),
        },
      },
      async (request) => {
        await sessions.endOne(actorOf(request), request.params.id)
        return { msg: 'token revoked' }
      },
    )
  })

  await app.register(async (secured) => {
    const admin: typeof app = secured
    secure(secured, 'admin')
    const grant = Type.Object({ username: Type.String({ maxLength: 256 }), name: RoleName })

    admin.post(
      '/api/v1/roles',
      {
        schema: { summary: 'Create a role', tags, body: RoleBody, response: replies(Message) },
      },
      async (request) => {
        await roles.create(actorOf(request), request.body.name)
        return { msg: 'role created' }
      },
    )

    admin.delete(
      '/api/v1/roles/:name',
      {
        schema: { summary: 'Delete a role', tags, params: RoleParams, response: replies(Message) },
      },
      async (request) => {
        await roles.delete(actorOf(request), request.params.name)
        return { msg: 'role deleted' }
      },
    )

    admin.post(
      '/api/v1/users/:username/roles/:name',
      { schema: { summary: 'Grant a role', tags, params: grant, response: replies(Message) } },
      async (request) => {
        const { username, name } = request.params
        await roles.grant(actorOf(request), await users.getIdByUsername(username), name)
        return { msg: 'role granted' }
      },
    )

    admin.delete(
      '/api/v1/users/:username/roles/:name',
      { schema: { summary: 'Revoke a role', tags, params: grant, response: replies(Message) } },
      async (request) => {
        const { username, name } = request.params
        await roles.revoke(actorOf(request), await users.getIdByUsername(username), name)
        return { msg: 'role revoked' }
      },
    )
  })
}

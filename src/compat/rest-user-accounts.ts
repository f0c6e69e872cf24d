import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AccountService, RegistrationRules } from '../features/registration/service.js'
import { callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { readBearer } from '../http/bearer.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { OldAppService } from '../features/old-app/service.js'
import type { SessionService } from '../features/sessions/service.js'
import {
  repliesWith,
  withAndWithoutSlash,
  Envelope,
  toUserData,
  UserData,
  tags,
} from './rest-user-wire.js'
import { closed, requireFilled, Text } from './wire.js'

type Options = {
  accounts: AccountService
  sessions: SessionService
  oldApp: OldAppService
  completeLogin: CompleteLogin
  limits: Limits
  cookies: SessionCookies
  registration: RegistrationRules
}

/** Public routes: registration, activation, login and refresh. */
export const restUserAccounts: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, sessions, oldApp, completeLogin, limits, cookies, registration },
) => {
  withAndWithoutSlash('/user', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('register'),
        schema: {
          summary: 'Register; a code is sent to the mobile number',
          tags,
          body: Type.Object({ username: Text, mobile: Text, password: Text }, closed),
          response: repliesWith(201, Envelope(UserData)),
        },
      },
      async (request, reply) => {
        const body = requireFilled(request.body, ['username', 'mobile', 'password'], 'is required')
        const user = await accounts.register(body, callerOf(request), registration)
        const message = 'Account created successfully!'
        return reply.code(201).send({ data: toUserData(user), message, status: 201 })
      },
    ),
  )

  withAndWithoutSlash('/user/activate-account', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: 'Activate an account with the code that was sent',
          tags,
          body: Type.Object({ mobile: Text, code: Text }, closed),
          response: repliesWith(200, Envelope(UserData)),
        },
      },
      async (request) => {
        const proof = requireFilled(request.body, ['mobile', 'code'], 'is required')
        const user = await accounts.activate(proof, callerOf(request))
        return { data: toUserData(user), message: 'Success!', status: 200 }
      },
    ),
  )

  const Tokens = Type.Object({ access_token: Type.String(), refresh_token: Type.String() })

  withAndWithoutSlash('/user/login', (url) =>
    app.post(
      url,
      {
        schema: {
          summary: 'Log in',
          tags,
          body: Type.Object({ username: Text, password: Text }, closed),
          response: repliesWith(200, Tokens),
        },
      },
      async (request, reply) => {
        const body = requireFilled(request.body, ['username', 'password'], 'is required')
        const login = await sessions.login(body, cookies.loginCaller(request))
        const tokens = completeLogin(request, reply, login, { setsCookies: false })
        const { access_token, refresh_token } = tokens
        return { access_token, refresh_token }
      },
    ),
  )

  withAndWithoutSlash('/user/refresh-token', (url) =>
    app.get(
      url,
      {
        exposeHeadRoute: false,
        schema: {
          summary: 'Refresh, with the refresh token as Bearer',
          tags,
          response: repliesWith(200, Tokens),
        },
      },
      async (request) => {
        const token = readBearer(request)
        if (token === undefined) throw new AppError('invalid_token')
        const old = await oldApp.byToken(token, callerOf(request))
        const tokens = old?.tokens ?? (await sessions.refresh(token, callerOf(request)))
        const { access_token, refresh_token } = tokens
        return { access_token, refresh_token }
      },
    ),
  )
}

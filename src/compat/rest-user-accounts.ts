import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AccountService, Registration } from '../features/registration/service.js'
import { callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { readBearer } from '../http/bearer.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import { answers, both, Envelope, show, Shown, tags } from './rest-user-wire.js'
import { closed, requireFilled, Text } from './wire.js'

type Options = {
  accounts: AccountService
  sessions: SessionService
  completeLogin: CompleteLogin
  limits: Limits
  cookies: SessionCookies
  registration: Registration
}

/** Without a token: an account, and the tokens of it. */
export const restUserAccounts: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, sessions, completeLogin, limits, cookies, registration },
) => {
  both('/user', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('register'),
        schema: {
          summary: 'Register; a code is sent to the mobile number',
          tags,
          body: Type.Object({ username: Text, mobile: Text, password: Text }, closed),
          response: answers(201, Envelope(Shown)),
        },
      },
      async (request, reply) => {
        const body = requireFilled(request.body, ['username', 'mobile', 'password'], 'is required')
        const user = await accounts.register(body, callerOf(request), registration)
        const message = 'Account created successfully!'
        return reply.code(201).send({ data: show(user), message, status: 201 })
      },
    ),
  )

  both('/user/activate-account', (url) =>
    app.post(
      url,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: 'Activate by the code that was sent',
          tags,
          body: Type.Object({ mobile: Text, code: Text }, closed),
          response: answers(200, Envelope(Shown)),
        },
      },
      async (request) => {
        const proof = requireFilled(request.body, ['mobile', 'code'], 'is required')
        const user = await accounts.activate(proof, callerOf(request))
        return { data: show(user), message: 'Success!', status: 200 }
      },
    ),
  )

  const Tokens = Type.Object({ access_token: Type.String(), refresh_token: Type.String() })

  both('/user/login', (url) =>
    app.post(
      url,
      {
        schema: {
          summary: 'Log in',
          tags,
          body: Type.Object({ username: Text, password: Text }, closed),
          response: answers(200, Tokens),
        },
      },
      async (request, reply) => {
        const body = requireFilled(request.body, ['username', 'password'], 'is required')
        const mark = cookies.read(request, 'device')
        const login = await sessions.login(body, callerOf(request), mark)
        const tokens = completeLogin(request, reply, login, { setsCookies: false })
        const { access_token, refresh_token } = tokens
        return { access_token, refresh_token }
      },
    ),
  )

  both('/user/refresh-token', (url) =>
    app.get(
      url,
      { schema: { summary: 'Refresh, by Bearer', tags, response: answers(200, Tokens) } },
      async (request) => {
        const token = readBearer(request)
        if (token === undefined) throw new AppError('invalid_token')
        const { access_token, refresh_token } = await sessions.refresh(token, callerOf(request))
        return { access_token, refresh_token }
      },
    ),
  )
}

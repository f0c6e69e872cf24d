import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { AccountService, RegistrationRules } from '../features/registration/service.js'
import type { AdministrationService } from '../features/administration/service.js'
import type { AccessDenials } from '../features/audit/denials.js'
import type { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { prepareError } from '../http/errors.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { OldAppService } from '../features/old-app/service.js'
import type { SessionService } from '../features/sessions/service.js'
import type { UserService } from '../features/users/service.js'
import { restUserAccounts } from './rest-user-accounts.js'
import { restUserOwn } from './rest-user-own.js'
import {
  repliesWith,
  withAndWithoutSlash,
  Envelope,
  toUserData,
  UserData,
  tags,
} from './rest-user-wire.js'

type Options = {
  accounts: AccountService
  administration: AdministrationService
  sessions: SessionService
  oldApp: OldAppService
  completeLogin: CompleteLogin
  users: UserService
  denials: AccessDenials
  limits: Limits
  cookies: SessionCookies
  /** In this dialect every new account must be activated with a code. */
  registration: RegistrationRules
  /** Requires an access token, and the role if one is given, for all routes of a scope. */
  secure: (scope: FastifyInstance, role?: string) => void
}

/** The dialect under /user, with replies of the form `{"data","message","status"}`. It calls the services of /api. */
export const restUser: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, administration, sessions, oldApp, users, denials, limits, cookies } = options
  const { completeLogin, registration, secure } = options

  app.setErrorHandler((thrown: AppError, request, reply) => {
    const { code, message, fields, statusCode, data } = prepareError(thrown, request, reply)
    const [fault] = fields ?? []
    const isBadRequest = statusCode === 409 || code === 'activation_required'
    return reply
      .code(isBadRequest ? 400 : statusCode)
      .send({ message: fault ? `${message}: ${fault.field} ${fault.message}` : message, ...data })
  })

  await app.register(restUserAccounts, {
    accounts,
    sessions,
    oldApp,
    completeLogin,
    limits,
    cookies,
    registration,
  })

  await app.register(async (secured) => {
    secure(secured)
    await secured.register(restUserOwn, { administration, sessions, users, denials })
  })

  await app.register(async (scope) => {
    const secured: typeof app = scope
    secure(secured, 'admin')
    withAndWithoutSlash('/user', (url) =>
      secured.get(
        url,
        {
          schema: {
            summary: 'List the newest 200 users; for administrators',
            tags,
            response: repliesWith(200, Envelope(Type.Array(UserData))),
          },
        },
        async () => {
          const page = await administration.list({ limit: '200' })
          return { data: page.users.map(toUserData), message: 'Success!', status: 200 }
        },
      ),
    )
  })
}

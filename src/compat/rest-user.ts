import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { AccountService, Registration } from '../features/registration/service.js'
import type { AdministrationService } from '../features/administration/service.js'
import type { Denials } from '../features/audit/denials.js'
import type { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { prepareError } from '../http/errors.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import type { UserService } from '../features/users/service.js'
import { restUserAccounts } from './rest-user-accounts.js'
import { restUserOwn } from './rest-user-own.js'
import { answers, both, Envelope, show, Shown, tags } from './rest-user-wire.js'

type Options = {
  accounts: AccountService
  administration: AdministrationService
  sessions: SessionService
  completeLogin: CompleteLogin
  users: UserService
  denials: Denials
  limits: Limits
  cookies: SessionCookies
  /** Here every account waits for the code that is sent to its mobile number. */
  registration: Registration
  /** Adds the hooks that refuse who has no token, or not the role. */
  secure: (scope: FastifyInstance, role?: string) => void
}

/** Users as resources under /user: `{"data","message","status"}`, over the services of /api. */
export const restUser: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, administration, sessions, users, denials, limits, cookies } = options
  const { completeLogin, registration, secure } = options

  app.setErrorHandler((thrown: AppError, request, reply) => {
    const { code, message, fields, statusCode } = prepareError(thrown, request, reply)
    const [fault] = fields ?? []
    const isBad = statusCode === 409 || code === 'activation_required'
    return reply
      .code(isBad ? 400 : statusCode)
      .send({ message: fault ? `${message}: ${fault.field} ${fault.message}` : message })
  })

  await app.register(restUserAccounts, {
    accounts,
    sessions,
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
    both('/user', (url) =>
      secured.get(
        url,
        {
          schema: {
            summary: 'The newest 200 users, for an administrator',
            tags,
            response: answers(200, Envelope(Type.Array(Shown))),
          },
        },
        async () => {
          const page = await administration.list({ limit: '200' })
          return { data: page.users.map(show), message: 'Success!', status: 200 }
        },
      ),
    )
  })
}

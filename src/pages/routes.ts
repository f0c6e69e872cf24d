import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AccountService } from '../features/registration/service.js'
import { AppError, invalidField } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { prepareError, sendError } from '../http/errors.js'
import type { SessionService } from '../features/sessions/service.js'
import type { IdentityService } from '../features/identities/identities.js'
import type { SocialService } from '../features/identities/service.js'
import type { Bodies } from '../features/uploads/bodies.js'
import type { UploadService } from '../features/uploads/service.js'
import type { UserService } from '../features/users/service.js'
import { wantsHtml } from '../http/wants-html.js'
import { accountPages } from './accounts.js'
import { homePages } from './home.js'
import { createPageSender } from './layout.js'
import { linkPages } from './links.js'
import { loginPages } from './login.js'
import { logoutPages } from './logout.js'
import { createNext } from '../http/next.js'
import type { ProviderButton } from './providers.js'
import { socialPages } from './social.js'
import type { Visitors } from './visitor.js'

type Options = {
  accounts: AccountService
  identities: IdentityService
  sessions: SessionService
  social: SocialService
  completeLogin: CompleteLogin
  uploads: UploadService
  bodies: Bodies
  users: UserService
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  providers: ProviderButton[]
  appName: string
  publicUrl: string
  corsOrigins: string[]
  activation: boolean
  minLength: number
}

/** The pages for people. They work without a script, and only a posted form
 * changes something, or a link to /logout on an own page. */
export const pages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, bodies, identities, sessions, social, uploads, users } = options
  const { completeLogin, visitors, limits, cookies, providers } = options
  const { appName, publicUrl, corsOrigins, activation, minLength } = options
  const send = createPageSender(appName, corsOrigins)
  await app.register(formbody, { bodyLimit: 16_384 })

  app.setErrorHandler((error: AppError, request, reply) => {
    if (!wantsHtml(request)) return sendError(error, request, reply)
    // The same status, headers and log as anywhere else, in words for people.
    const { statusCode, message } = prepareError(error, request, reply)
    return send(reply, statusCode, { title: 'Sorry', fault: `${message}.`, content: '' })
  })

  // A form has no text that JSON would not have.
  app.addHook('preValidation', async ({ body }) => {
    for (const [field, value] of Object.entries(body ?? {})) {
      const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
      if (!isText) throw invalidField(field.slice(0, 100), 'is not valid text')
    }
  })

  app.addHook('preHandler', async (request) => {
    if (request.method === 'POST' && cookies.isForeign(request)) {
      throw new AppError('cross_site_request')
    }
  })

  const safeNext = createNext(publicUrl, corsOrigins)
  const shared = { visitors, limits, cookies, providers, send, safeNext }
  await app.register(homePages, { ...shared, identities, uploads, bodies, users })
  await app.register(loginPages, { ...shared, sessions, completeLogin })
  await app.register(logoutPages, { ...shared, sessions })
  await app.register(socialPages, {
    ...shared,
    identities,
    social,
    completeLogin,
    publicUrl,
  })
  await app.register(accountPages, { ...shared, accounts, activation, minLength })
  await app.register(linkPages, { accounts, users, cookies, limits, send, minLength })
}

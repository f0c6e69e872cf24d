import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AccountService } from '../features/registration/service.js'
import type { ApiKeyService } from '../features/api-keys/service.js'
import type { AuditRepository } from '../features/audit/repository.js'
import type { AuthorizationService } from '../features/authorization/service.js'
import type { DeviceLogins } from '../features/device-logins/service.js'
import { AppError, invalidField } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { LoginNoticeService } from '../features/login-notices/service.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import type { IdentityService } from '../features/identities/identities.js'
import type { SecondFactor } from '../features/sessions/second-factor.js'
import type { FactorService } from '../features/factors/service.js'
import type { SocialService } from '../features/identities/service.js'
import type { PasskeyLogins } from '../features/passkeys/logins.js'
import type { PasskeyService } from '../features/passkeys/service.js'
import type { Bodies } from '../features/uploads/bodies.js'
import type { UploadService } from '../features/uploads/service.js'
import type { Mailbox } from '../features/messages/mailbox.js'
import type { UserService } from '../features/users/service.js'
import { accountForms } from './account-forms.js'
import { accountPages } from './account.js'
import { apiKeyPages } from './api-keys.js'
import { askingPages } from './asking.js'
import { authorizePage } from './authorize.js'
import { codePages } from './codes.js'
import { devicePages } from './device.js'
import { devMailPages } from './dev-mail.js'
import { createGreeting } from './greeting.js'
import { homePages } from './home.js'
import { createPageErrors, createPageSender } from './layout.js'
import { iconRoute } from './icon.js'
import { linkPages } from './links.js'
import { loginPages } from './login.js'
import { logoutPages } from './logout.js'
import { createSafeNext } from '../http/next.js'
import { connectionPages } from './connections.js'
import { notMePages } from './not-me.js'
import { createProofPages } from './proofs.js'
import type { ProviderButton } from './providers.js'
import { createAskFactor } from './factor-forms.js'
import { createLoginCaller, createLoginPage } from './login-form.js'
import { passkeyLoginPages } from './login-passkey.js'
import { passkeyScript } from './passkey-script.js'
import { secondFactorPages } from './second-factor.js'
import { ownFactorPages } from './own-factor.js'
import { ownPasskeyPages } from './own-passkeys.js'
import { registerPages } from './register.js'
import { socialPages } from './social.js'
import type { Visitors } from './visitor.js'

type Options = {
  accounts: AccountService
  apiKeys: ApiKeyService
  audit: Pick<AuditRepository, 'hasReturned' | 'list'>
  authorization: AuthorizationService
  /** Undefined with DEVICE_LOGIN=off. */
  deviceLogins: DeviceLogins | undefined
  identities: IdentityService
  loginNotices: LoginNoticeService
  passkeys: PasskeyService
  passkeyLogins: PasskeyLogins
  factors: FactorService
  secondFactor: SecondFactor
  sessions: SessionService
  social: SocialService
  completeLogin: CompleteLogin
  uploads: UploadService
  bodies: Bodies
  users: UserService
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  /** Only for a developer on this machine. */
  mailbox: Mailbox | undefined
  providers: ProviderButton[]
  appName: string
  publicUrl: string
  corsOrigins: string[]
  activation: boolean
  /** Whether anyone may register. */
  offersRegistration: boolean
  minLength: number
}

/**
 * The HTML pages. Only passkeys need JavaScript. Only a submitted form, or a link to /logout on one of these
 * pages, changes anything.
 */
export const pages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, audit, bodies, identities, sessions, social, uploads, users } = options
  const { completeLogin, visitors, limits, cookies, mailbox, providers } = options
  const { appName, publicUrl, corsOrigins, activation, offersRegistration, minLength } = options
  const send = createPageSender({ appName, corsOrigins, offersRegistration })
  await app.register(formbody, { bodyLimit: 16_384 })

  app.decorateRequest('visitor', undefined)
  app.setErrorHandler(createPageErrors(send))

  // Apply the rules for text in JSON bodies to forms.
  app.addHook('preValidation', async ({ body, routeOptions }) => {
    const { required = [] } = (routeOptions.schema?.body ?? {}) as { required?: string[] }
    for (const [field, value] of Object.entries(body ?? {})) {
      // Browsers send every field. An optional one that is empty counts as absent.
      if (value === '' && !required.includes(field)) Reflect.deleteProperty(body as object, field)
      const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
      if (!isText) throw invalidField(field.slice(0, 100), 'is not valid text')
    }
  })

  app.addHook('preHandler', async (request) => {
    if (request.method === 'POST' && cookies.isForeign(request)) {
      throw new AppError('cross_site_request')
    }
  })

  await app.register(iconRoute)
  await app.register(passkeyScript)
  const safeNext = createSafeNext(publicUrl, corsOrigins)
  const greet = createGreeting(audit)
  const askFactor = createAskFactor(send)
  const shared = { visitors, limits, cookies, providers, send, safeNext, askFactor }
  await app.register(authorizePage, { authorization: options.authorization, visitors, safeNext })
  await app.register(homePages, {
    ...shared,
    identities,
    uploads,
    bodies,
    offersRegistration,
  })
  const ofLogin = {
    ...shared,
    completeLogin,
    greet,
    loginPage: createLoginPage({ send, providers, offersRegistration }),
    findCaller: createLoginCaller({ cookies, visitors }),
  }
  await app.register(loginPages, { ...ofLogin, sessions })
  await app.register(passkeyLoginPages, { ...ofLogin, passkeyLogins: options.passkeyLogins })
  await app.register(secondFactorPages, {
    ...shared,
    secondFactor: options.secondFactor,
    completeLogin,
    greet,
  })
  await app.register(accountPages, {
    ...shared,
    audit,
    identities,
    sessions,
    factors: options.factors,
    passkeys: options.passkeys,
  })
  await app.register(accountForms, { ...shared, users, minLength })
  await app.register(ownFactorPages, { ...shared, factors: options.factors })
  await app.register(ownPasskeyPages, { ...shared, passkeys: options.passkeys })
  const { deviceLogins } = options
  if (deviceLogins) await app.register(devicePages, { ...shared, deviceLogins })
  await app.register(logoutPages, { ...shared, sessions })
  await app.register(socialPages, { ...shared, social, completeLogin, greet, publicUrl })
  await app.register(connectionPages, { ...shared, identities, social })
  await app.register(apiKeyPages, { ...shared, apiKeys: options.apiKeys })
  await app.register(registerPages, {
    ...shared,
    accounts,
    sessions,
    completeLogin,
    activation,
    minLength,
  })
  const proofs = createProofPages({ accounts, users })
  const ofProofs = { proofs, cookies, limits, send, minLength }
  await app.register(askingPages, ofProofs)
  await app.register(linkPages, ofProofs)
  await app.register(codePages, ofProofs)
  await app.register(notMePages, { loginNotices: options.loginNotices, limits, send })
  if (mailbox) await app.register(devMailPages, { mailbox, publicUrl, send })
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { Caller } from '../http/caller.js'
import { distrustDevice, isAuthorization } from './authorize.js'
import { hiddenNext, withNext } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import { passkeyForm } from './passkey-form.js'
import { providerButtons, type ProviderButton } from './providers.js'
import { compileView } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  send: SendPage
  providers: ProviderButton[]
  /** Whether the page has a link to register. */
  offersRegistration: boolean
}

type LoginPage = {
  /** Where to go after the login. safeNext() has checked it. */
  target: string
  name?: string
  prompt?: string | undefined
  flash?: string | undefined
}

const links = compileView<{ register: string | undefined }>('login-links')

/** Returns functions that send the login page, with every way to log in. */
export function createLoginPage({ send, providers, offersRegistration }: Options) {
  return {
    show: (reply: FastifyReply, page: LoginPage): FastifyReply =>
      send(reply, 200, { ...common(page), flash: page.flash }),

    /** Shows why a login was refused. Rethrows an error that is no refusal. */
    refuse(reply: FastifyReply, error: unknown, page: LoginPage): FastifyReply {
      if (!(error instanceof AppError) || error.statusCode >= 500) throw error
      // Treat a malformed identifier like an unknown user.
      const isMalformed = error.code === 'validation_failed'
      const fault = isMalformed ? 'Invalid credentials.' : `${error.message}.`
      if (error.headers) reply.headers(error.headers)
      if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
      return send(reply, isMalformed ? 401 : error.statusCode, { ...common(page), fault })
    },
  }

  function common({ target, name = '', prompt }: LoginPage) {
    const form = renderForm({
      button: 'Log in',
      action: '/login',
      takesFocus: true,
      hidden: hiddenNext(target),
      values: { username: name },
      fields: [
        {
          name: 'username',
          label: 'E-mail address, username or mobile number',
          autocomplete: 'username webauthn',
          required: true,
        },
        {
          name: 'password',
          label: 'Password',
          type: 'password',
          autocomplete: 'current-password',
          required: true,
        },
      ],
    })
    const passkey = passkeyForm({
      kind: 'login',
      action: '/login/passkey',
      button: 'Log in with a passkey',
      isOther: true,
      hidden: { ...hiddenNext(target), ...(prompt === 'login' && { prompt }) },
    })
    const register = offersRegistration ? withNext('/register', target) : undefined
    const others = providerButtons(providers, target, prompt)
    const content = [form, passkey, ...others, links({ register })]
    return { title: 'Log in', hasScript: true, content }
  }
}

export type ShownLogin = ReturnType<typeof createLoginPage>

/** Returns a function that finds the caller of a login on a page. */
export function createLoginCaller({
  cookies,
  visitors,
}: {
  cookies: SessionCookies
  visitors: Visitors
}) {
  return async (request: FastifyRequest, reply: FastifyReply, target: string): Promise<Caller> => {
    // The new session joins the login of the present one, if that is of the same user.
    if (isAuthorization(target)) await visitors.find(request, reply)
    const caller = cookies.loginCaller(request, { isPage: true })
    distrustDevice(caller, target)
    return caller
  }
}

export type FindLoginCaller = ReturnType<typeof createLoginCaller>

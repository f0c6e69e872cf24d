import type { FastifyReply } from 'fastify'
import type { AppError } from '../errors.js'
import type { Enrolment } from '../features/factors/schemas.js'
import { hiddenNext } from './forms.js'
import { renderForm, type Field, type SendPage } from './layout.js'
import { passkeyForm } from './passkey-form.js'
import { compileView, type Markup } from './views.js'

const enrolment = compileView<Pick<Enrolment, 'key' | 'qr'>>('enrolment')
const recoveryCodes = compileView<{ codes: string[]; next: string }>('recovery-codes')

export const factorTitle = 'Confirm your login'
export const setUpTitle = 'Add a second factor'

export const codeField: Field = {
  name: 'code',
  label: 'Code',
  autocomplete: 'one-time-code',
  required: true,
}

const trustField: Field = {
  name: 'trust',
  label: 'Do not ask on this device for 30 days',
  type: 'checkbox',
}

/** A login that waits for its second factor. safeNext() has checked the target. */
export type Waiting = {
  challenge: string
  target: string
  /** Separated by spaces: a form sends them back, so that the page after a wrong answer offers the same. */
  methods: string | undefined
}

/** What a page shows to confirm an authenticator app. */
export const enrolmentView = ({ key, qr }: Enrolment): Markup => enrolment({ key, qr })

/** What a page shows once after recovery codes were made. */
export const recoveryCodesView = (codes: string[], next: string): Markup =>
  recoveryCodes({ codes, next })

/** Returns a function that asks for the second factor of a login, after `second_factor_required`. */
export function createAskFactor(send: SendPage) {
  return (reply: FastifyReply, error: AppError, target: string): FastifyReply => {
    const { challenge, methods } = error.data as { challenge: string; methods: string[] }
    const isEnrolment = methods.includes('enrol_totp')
    if (isEnrolment) {
      return send(reply, 403, { title: setUpTitle, content: [setUpForm(challenge, target)] })
    }
    return send(reply, 403, factorPage({ challenge, target, methods: methods.join(' ') }))
  }
}

export type AskFactor = ReturnType<typeof createAskFactor>

/** The page that asks for a second factor: a code, a passkey, or either. */
export function factorPage(waiting: Waiting) {
  const { challenge, target, methods = 'totp' } = waiting
  const offered = methods.split(' ')
  const takesPasskey = offered.includes('passkey')
  const takesCode = offered.includes('totp') || !takesPasskey
  const hidden = { challenge, ...hiddenNext(target), methods }
  const without = 'It needs JavaScript, and a browser that knows passkeys.'
  const passkey = passkeyForm({
    kind: 'second',
    action: '/login/passkey',
    button: 'Use a passkey',
    isOther: takesCode,
    hidden,
    ...(!takesCode && { without: `Your second factor is a passkey. ${without}` }),
  })
  const content = [...(takesCode ? [codeForm(hidden)] : []), ...(takesPasskey ? [passkey] : [])]
  return { title: factorTitle, hasScript: takesPasskey, content }
}

/** The form for the code of an authenticator app that is new, or for any code. */
export function codeForm(hidden: Record<string, string>, others: Field[] = [trustField]): Markup {
  const hint = 'Of your authenticator app, or a recovery code.'
  return renderForm({
    button: 'Log in',
    action: '/login/verify',
    takesFocus: true,
    hidden,
    fields: [{ ...codeField, ...(others.length > 0 && { hint }) }, ...others],
  })
}

function setUpForm(challenge: string, target: string): Markup {
  return renderForm({
    text: 'This service requires a second factor. Add an authenticator app on your phone first. You can add passkeys afterwards.',
    button: 'Continue',
    action: '/login/enrol',
    hidden: { challenge, ...hiddenNext(target) },
    fields: [],
  })
}

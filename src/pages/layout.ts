import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AppError } from '../errors.js'
import { wantsHtml } from '../http/accept.js'
import { prepareError, sendError } from '../http/errors.js'
import { sentenceOf } from '../http/sentences.js'
import { compileView, readStyle, type Markup } from './views.js'
import { displayName } from './visitor.js'

const style = readStyle('base') + readStyle('forms')
const hash = createHash('sha256').update(style).digest('base64')

/**
 * Allows only our own style, pictures and forms, and a script only where the page has ours (CSP Level 3). Browsers also
 * apply `form-action` to the redirect after a form, so it lists the origins to which a login may redirect.
 */
const contentSecurityPolicy = (origins: string[], hasScript: boolean) =>
  [
    "default-src 'none'",
    ...(hasScript ? ["script-src 'self'", "connect-src 'self'"] : []),
    `style-src 'sha256-${hash}'`,
    "img-src 'self'",
    `form-action ${["'self'", ...origins].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

type Shown = Page & {
  appName: string
  style: string
  offersRegistration: boolean
  /** The name of the signed-in user. */
  userName: string | undefined
}

const layout = compileView<Shown>('layout')
const backToAccount = compileView('account-link')
const form = compileView<Form & { focus: string | undefined }>('form')

export type Field = {
  name: string
  label: string
  type?: string
  autocomplete?: string
  inputMode?: string
  accept?: string
  hint?: string
  required?: boolean
  minLength?: number
}

export type Form = {
  button: string
  fields: Field[]
  text?: string
  action?: string
  isMultipart?: boolean
  /** Whether the page has a more important button. */
  isOther?: boolean
  takesFocus?: boolean
  hidden?: Record<string, string>
  /** The user of a form that has only a password: password managers read it, people do not see it. */
  username?: string | undefined
  /** The values that the user typed, by field; never a password. */
  values?: Record<string, string>
  /** The fault of each invalid field. */
  faults?: Record<string, string>
}

export type Page = {
  title: string
  /** On the host of an app, which has no other page of ours. */
  isElsewhere?: boolean | undefined
  /** Whether the page asks for passkeys. */
  hasScript?: boolean | undefined
  flash?: string | undefined
  fault?: string | undefined
  /** The URL to which the page redirects the browser, where `form-action` would forbid an HTTP redirect. */
  refresh?: string | undefined
  content: Markup[]
}

/** The way back from a page of the account. */
export const accountLink = backToAccount({})

/** A form as HTML; every value in it is escaped. */
export const renderForm = (it: Form): Markup => form({ ...it, focus: focusOf(it) })

/** The field that gets the focus: the first invalid one, else the first empty one. */
function focusOf({ takesFocus, fields, values = {}, faults = {} }: Form): string | undefined {
  if (!takesFocus) return undefined
  const wanted = fields.find(({ name }) => faults[name]) ?? fields.find(({ name }) => !values[name])
  return wanted?.name
}

type SenderOptions = {
  appName: string
  corsOrigins: string[]
  /** Whether anyone may register. */
  offersRegistration: boolean
}

/** Returns a function that sends a complete page. */
export function createPageSender({ appName, corsOrigins, offersRegistration }: SenderOptions) {
  const policy = contentSecurityPolicy(corsOrigins, false)
  const scriptPolicy = contentSecurityPolicy(corsOrigins, true)
  return (reply: FastifyReply, status: number, page: Page): FastifyReply => {
    const { visitor } = reply.request
    const userName = visitor && displayName(visitor)
    return (
      reply
        .code(status)
        .header('content-security-policy', page.hasScript ? scriptPolicy : policy)
        .header('cross-origin-opener-policy', 'same-origin')
        // With `no-referrer` our own forms would send `Origin: null`, as if from another site (Fetch §3.2).
        .header('referrer-policy', 'same-origin')
        .type('text/html; charset=utf-8')
        .serializer(String)
        .send(layout({ ...page, userName, appName, style, offersRegistration }))
    )
  }
}

export type SendPage = ReturnType<typeof createPageSender>

/** Returns an error handler: the status, headers and log of any other error, but a browser gets a page. */
export function createPageErrors(send: SendPage, page: Pick<Page, 'isElsewhere'> = {}) {
  return (error: AppError, request: FastifyRequest, reply: FastifyReply) => {
    if (!wantsHtml(request)) return sendError(error, request, reply)
    const { statusCode, message, fields } = prepareError(error, request, reply)
    const fault = fields?.map(sentenceOf).join(' ') ?? `${message}.`
    return send(reply, statusCode, { ...page, title: 'Sorry', fault, content: [] })
  }
}

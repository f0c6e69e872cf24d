import { Type, type TSchema } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { AppError } from '../errors.js'
import { kindOf } from '../features/identifiers/identifiers.js'
import type { AddressBody } from '../features/registration/schemas.js'
import { replies } from '../http/replies.js'
import { sentenceOf } from '../http/sentences.js'
import type { Field } from './layout.js'

export const Html = Type.String({ description: 'an HTML page', contentMediaType: 'text/html' })

/** Parts that the schemas of several pages share. */
export const tags = ['pages']
export const consumes = ['application/x-www-form-urlencoded']
export const closed = { additionalProperties: false }
export const Text = Type.Optional(Type.String({ maxLength: 1_024 }))
/** Has no maximum: a `next` that is too long is replaced by `/`, and the login still works. */
export const Next = Type.Optional(Type.String())
export const NextQuery = Type.Object({ next: Next })
export const pageReplies = replies({ 200: Html, 303: Type.Null() })

/** Checks a value as a body of the API. @throws AppError `validation_failed` */
export function requireValid(request: FastifyRequest, schema: TSchema, value: unknown): void {
  // Our compiler returns `true` or the error, which Fastify's type does not say.
  const verdict: unknown = request.validateInput(value, schema)
  if (verdict !== true) throw (verdict as { error: AppError }).error
}

/** The fault of each field, as a sentence. */
export function faultsOf({ fields = [] }: AppError): Record<string, string> {
  return Object.fromEntries(fields.map((fault) => [fault.field, sentenceOf(fault)]))
}

/** The field for an address that receives messages. */
export const addressField: Field = {
  name: 'address',
  label: 'E-mail address or mobile number',
  autocomplete: 'username',
  required: true,
}

/** A password field where password managers offer a new password, not the saved one. */
export function newPassword(name: string, label: string, minLength: number): Field {
  return {
    name,
    label,
    type: 'password',
    autocomplete: 'new-password',
    required: true,
    minLength,
    hint: `At least ${String(minLength)} characters.`,
  }
}

/** The address as the API takes it. A form has one field for both kinds. */
export const toAddress = (typed: string): AddressBody =>
  kindOf(typed) === 'mobile' ? { mobile: typed } : { email: typed || ' ' }

/** Removes empty fields, because a form sends every field. */
export function filled<Body extends Record<string, string | undefined>>(body: Body): Partial<Body> {
  return Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined && value !== ''),
  ) as Partial<Body>
}

/** Adds the target after the login, which safeNext() has checked, to a path. `/` is the default. */
export const withNext = (path: string, target: string) =>
  target === '/' ? path : `${path}?next=${encodeURIComponent(target)}`

/** The hidden field of a form for a target that safeNext() has checked. */
export const hiddenNext = (target: string): Record<string, string> =>
  target === '/' ? {} : { next: target }

import { Type } from '@sinclair/typebox'
import type { AppError } from '../errors.js'
import { replies } from '../http/replies.js'
import type { Field } from './layout.js'

export const Html = Type.String({ description: 'an HTML page' })

/** What the schemas of our pages have in common. */
export const tags = ['pages']
export const consumes = ['application/x-www-form-urlencoded']
export const closed = { additionalProperties: false }
export const Text = Type.Optional(Type.String({ maxLength: 1_024 }))
export const NextQuery = Type.Object({ next: Type.Optional(Type.String({ maxLength: 2_048 })) })
export const pageReplies = replies({ 200: Html, 303: Type.Null() })

/** By field: what is wrong with it, in a sentence. */
export function faultsOf({ fields = [] }: AppError): Record<string, string> {
  return Object.fromEntries(fields.map(({ field, message }) => [field, `It ${message}.`]))
}

/** A field that password managers fill with a new password. */
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

/** The identifier in one field: what people type tells what it is. */
export function readLoginName(
  text: string,
): { email: string } | { mobile: string } | { username: string } {
  if (text.includes('@')) return { email: text }
  return /^\+?[0-9][0-9\s().-]{5,}$/.test(text.trim()) ? { mobile: text } : { username: text }
}

/** Without what was left empty: a form sends every field. */
export function filled<Body extends Record<string, string | undefined>>(body: Body): Partial<Body> {
  return Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined && value !== ''),
  ) as Partial<Body>
}

/** A path of ours with the page to come back to, where there is one. */
export const withNext = (path: string, next: string | undefined) =>
  next === undefined ? path : `${path}?next=${encodeURIComponent(next)}`

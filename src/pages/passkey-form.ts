import { Type, type Static, type TSchema } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import { requireValid } from './forms.js'
import { compileView, type Markup } from './views.js'

/** The answer of a passkey as JSON. The limit on bodies of forms is its maximum. */
export const CredentialText = Type.Optional(Type.String({ maxLength: 16_384 }))

type PasskeyForm = {
  /** What the script does: log in with an offer in the username field, complete a login, or make a passkey. */
  kind: 'login' | 'second' | 'add'
  action: string
  button: string
  hidden: Record<string, string>
  /** To make a passkey, as JSON. */
  options?: string
  /** Whether the page has a more important button. */
  isOther?: boolean
  /** What the page says where it cannot ask for a passkey. */
  without?: string
}

const view = compileView<PasskeyForm>('passkey-form')

/** A form that the script of the pages fills. It stays hidden without the script. */
export const passkeyForm = (form: PasskeyForm): Markup => view(form)

/**
 * Reads the answer of a passkey from the form field, as the API takes it in a body.
 * @throws AppError `invalid_passkey`
 */
export function readCredential<Schema extends TSchema>(
  request: FastifyRequest,
  schema: Schema,
  text = '',
): Static<Schema> {
  try {
    const credential: unknown = JSON.parse(text)
    requireValid(request, schema, credential)
    return credential
  } catch (cause) {
    throw new AppError('invalid_passkey', { cause })
  }
}

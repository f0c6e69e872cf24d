import { Type, type TSchema } from '@sinclair/typebox'
import { errors } from '../errors.js'
import { maxFaults } from './faults.js'
import { matching } from './patterns.js'

export const idPattern = '^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$'
export const idRule = 'must be an id such as 0192f3a4-5b6c-7d8e-9f01-23456789abcd'

/** A UUID in its usual form. The format `uuid` would also accept `urn:uuid:…`, which PostgreSQL rejects. */
export const Id = (description?: string) =>
  Type.String({
    ...matching(idPattern, idRule),
    ...(description && { description }),
  })

/** How many entries a page of a list has, as text in the query. */
export const Limit = Type.String({
  ...matching('^([1-9][0-9]?|1[0-9]{2}|200)$', 'must be between 1 and 200'),
  default: '50',
  'x-integer': { minimum: 1, maximum: 200, format: 'int32' },
})

/** The fields of `second_factor_required`. */
export const Challenge = {
  challenge: Type.Optional(
    Type.String({
      description: 'for `POST /api/login/verify` or `/api/login/passkey`, valid for five minutes',
    }),
  ),
  methods: Type.Optional(
    Type.Array(Type.String({ enum: ['totp', 'recovery_code', 'passkey', 'enrol_totp'] }), {
      description: 'what completes the login',
    }),
  ),
}

/** The body of every error, except at the OAuth endpoints and in src/compat. */
export const ErrorReply = Type.Object(
  {
    status: Type.Literal('error'),
    code: Type.String({ enum: Object.keys(errors), description: 'stable; for programs' }),
    message: Type.String({ description: 'for people' }),
    ...Challenge,
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          field: Type.String({ description: 'the name in the request' }),
          message: Type.String({ description: 'a sentence for the user' }),
        }),
        { maxItems: maxFaults, description: 'the fault of each invalid field' },
      ),
    ),
  },
  {
    title: 'Error',
    examples: [
      {
        status: 'error',
        code: 'validation_failed',
        message: errors.validation_failed[1],
        errors: [
          { field: 'email', message: 'E-mail must be an e-mail address.' },
          { field: 'password', message: 'Password must have at least 8 characters.' },
        ],
      },
    ],
  },
)

/** The body of a success without data. */
export const MessageReply = Type.Object(
  { status: Type.Literal('success'), message: Type.String() },
  { title: 'MessageReply' },
)

/** The reply schemas of a route: its own, and the errors that every route may return. */
export function replies<Replies extends Record<number, TSchema>>(own: Replies) {
  return { ...own, '4xx': ErrorReply, '5xx': ErrorReply }
}

/** The body of a success. */
export const ok = <Body extends object>(body: Body) => ({ status: 'success' as const, ...body })

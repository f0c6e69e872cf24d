import { Type, type TSchema } from '@sinclair/typebox'
import { errors } from '../errors.js'

/** An id as we write one; the format `uuid` would let `urn:uuid:` pass, which PostgreSQL does not. */
export const Id = (description?: string) =>
  Type.String({
    pattern: '^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$',
    ...(description && { description }),
  })

/** The one shape of every failure outside the RFCs' own endpoints. */
export const ErrorReply = Type.Object({
  status: Type.Literal('error'),
  code: Type.String({ enum: Object.keys(errors), description: 'stable; for programs' }),
  message: Type.String({ description: 'for people' }),
  errors: Type.Optional(
    Type.Array(Type.Object({ field: Type.String(), message: Type.String() }), {
      description: 'the fields at fault',
    }),
  ),
})

/** A success that has nothing to say but that. */
export const MessageReply = Type.Object({ status: Type.Literal('success'), message: Type.String() })

/** A route's replies: its own, and the failures that any route may answer. */
export function replies<Replies extends Record<number, TSchema>>(own: Replies) {
  return { ...own, '4xx': ErrorReply, '5xx': ErrorReply }
}

/** The body of a success. */
export const ok = <Body extends object>(body: Body) => ({ status: 'success' as const, ...body })

import { Type } from '@sinclair/typebox'
import { invalidField } from '../errors.js'

/** Optional in the schema, so that requireFilled() reports a missing field in the words of the dialect. */
export const Text = Type.Optional(Type.String({ maxLength: 1_024 }))

export const closed = { additionalProperties: false }

/** @throws AppError `validation_failed` for the first field that is empty or missing */
export function requireFilled<Name extends string>(
  body: Partial<Record<Name, string | undefined>>,
  names: Name[],
  fault: string,
): Record<Name, string> {
  for (const name of names) if (!body[name]) throw invalidField(name, fault)
  return body as Record<Name, string>
}

import { isOptional, objectOf } from './schemas.js'
import type { Schema } from './types.js'

/** Sample values by field name. The example uses the first one that matches the pattern of the schema. */
const values: Record<string, string[]> = {
  code: ['12345678'],
  email: ['ada@example.org'],
  grant_type: ['client_credentials'],
  mobile: ['+442079460000'],
  name: ['Ada Lovelace', 'editor'],
  new_password: ['a better horse battery'],
  old_password: ['correct horse battery'],
  password: ['correct horse battery'],
  username: ['ada'],
}

/** Fields that the schema marks as optional, although a request needs them or an alternative to them. */
const proofs = ['email', 'code']

/** The body of a typical request. Undefined if the request has no body. */
export function sampleOf(method: string, schema: Schema): Record<string, unknown> | undefined {
  const object = objectOf(schema)
  if (!object?.properties || isOptional(schema)) return undefined
  const { properties, required = [] } = object
  return fill(namesOf(method, Object.keys(properties), required), properties)
}

function fill(names: string[], properties: Record<string, Schema>): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, valueOf(name, properties[name] ?? {})]))
}

function namesOf(method: string, names: string[], required: string[]): string[] {
  if (method === 'PATCH') return names.slice(0, 1)
  const usual = names.filter((name) => proofs.includes(name) || required.includes(name))
  // The routes of older systems require every field, but their schemas mark none as required.
  const needsAll = required.length === 0 && (names.includes('password') || !names.includes('email'))
  return needsAll ? names : usual
}

function valueOf(name: string, schema: Schema): unknown {
  if (schema.enum) return schema.enum[0]
  if (schema.const !== undefined) return schema.const
  if (schema.properties) return fill(schema.required ?? [], schema.properties)
  if (schema.type === 'boolean') return true
  if (schema.type === 'array') return []
  const pattern = new RegExp(schema.pattern ?? '', 'u')
  return values[name]?.find((value) => pattern.test(value)) ?? name.toUpperCase()
}

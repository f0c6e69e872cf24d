import { objectOf } from '../../http/openapi/schemas.js'
import type { Schema } from './document.js'

/** A parameter or a body field. The name of a nested field is its path, such as `user.id`. */
export type Field = { name: string; type: string; isRequired: boolean; text: string }

/** The fields of an object. The nested fields of a field follow it. */
export function fieldsOf(schema: Schema, path = ''): Field[] {
  const { properties = {}, required = [] } = objectOf(schema) ?? {}
  return Object.entries(properties).flatMap(([key, field]) => {
    const name = path + key
    const items = field.items && objectOf(field.items)
    return [
      fieldOf(name, field, required.includes(key)),
      ...fieldsOf(items ?? field, items ? `${name}[].` : `${name}.`),
    ]
  })
}

export function fieldOf(name: string, schema: Schema, isRequired: boolean): Field {
  const parts = [schema.description, lengthOf(schema)]
  if (schema.default !== undefined) parts.push(`default: ${JSON.stringify(schema.default)}`)
  return { name, type: typeOf(schema), isRequired, text: parts.filter(Boolean).join('; ') }
}

function typeOf({ anyOf, type = 'any', items, format, ...schema }: Schema): string {
  if (anyOf) return anyOf.map(typeOf).join(' or ')
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  if (items) return `array of ${typeOf(items)}`
  if (format === 'binary') return 'file'
  const types = [type].flat().map((name) => (name === 'string' ? (format ?? name) : name))
  return types.join(' or ')
}

function lengthOf({ enum: values, minLength = 0, maxLength, maxItems }: Schema): string {
  if (maxItems !== undefined) return `at most ${String(maxItems)} items`
  if (maxLength === undefined || values) return ''
  const least = minLength > 0 ? `${String(minLength)} to ` : 'at most '
  return `${least}${String(maxLength)} characters`
}

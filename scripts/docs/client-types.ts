import { format } from 'prettier'
import { publish } from '../../src/http/openapi/publish.js'
import type { Document } from '../../src/pages/reference/document.js'

type Shape = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  description?: string
  required?: string[]
  properties?: Record<string, Shape>
  items?: Shape
}

/** The schemas that the methods of @gatehouse/client take and answer. */
const names = [
  ...['User', 'Session', 'Readme'],
  ...['RegisterBody', 'LoginBody', 'ProofBody', 'ProfileBody', 'PasswordBody'],
  ...['AddressBody', 'ResetBody', 'VerifyBody'],
  ...['LoginReply', 'RefreshReply', 'UserReply', 'ProfileReply', 'SessionsReply', 'ReadmeReply'],
  'VerifyReply',
]

/** The types of @gatehouse/client, from the schemas of the OpenAPI document. */
export async function clientTypes(document: Document): Promise<string> {
  const { schemas = {} } = publish(document).components as { schemas?: Record<string, Shape> }
  const schemaOf = (name: string): Shape => {
    const schema = schemas[name]
    if (!schema) throw new Error(`the document has no schema ${name}`)
    return schema
  }
  const { code, errors } = schemaOf('Error').properties ?? {}
  const types = [
    `/** Stable; for programs. */\nexport type ErrorCode = ${typeOf(code ?? {})}`,
    `export type FieldError = ${typeOf(errors?.items ?? {})}`,
    ...names.map((name) => `export type ${name} = ${typeOf(schemaOf(name))}`),
  ]
  const head = '// Written by `npm run docs` from the OpenAPI document.\n\n'
  const style = { semi: false, singleQuote: true, printWidth: 100 } as const
  return format(head + types.join('\n\n'), { parser: 'typescript', ...style })
}

function typeOf(shape: Shape): string {
  const { $ref, type, properties } = shape
  if ($ref !== undefined) return $ref.replace(/^.*\//, '')
  if (shape.enum) return shape.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...shape, type: each })).join(' | ')
  if (type === 'array') return `(${typeOf(shape.items ?? {})})[]`
  if (type === 'object') return properties ? objectOf(shape) : 'Record<string, unknown>'
  if (type === 'integer') return 'number'
  return type ?? 'unknown'
}

function objectOf({ properties = {}, required = [] }: Shape): string {
  const fields = Object.entries(properties).map(([name, shape]) => {
    const comment = shape.description === undefined ? '' : `/** ${shape.description} */\n`
    return `${comment}${name}${required.includes(name) ? '' : '?'}: ${typeOf(shape)}`
  })
  return `{\n${fields.join('\n')}\n}`
}

import { errors, type ErrorCode } from '../../errors.js'
import {
  accessOf,
  isForAny,
  isTwin,
  titleOf,
  type Content,
  type Document,
  type Operation,
} from './document.js'
import { examplesOf, type Examples } from './examples.js'
import { objectOf } from '../../http/openapi/schemas.js'
import { fieldOf, fieldsOf, type Field } from './fields.js'
import { help } from './error-help.js'

export type Reference = {
  version: string
  server: string
  groups: { id: string; title: string; operations: Entry[] }[]
  errors: { code: string; status: number; message: string; help: string }[]
}

type Entry = {
  id: string
  method: string
  path: string
  summary: string
  description: string | undefined
  access: string
  /** `place` is `path` or `query`. */
  parameters: (Field & { place: string })[]
  body: Body | undefined
  replies: Reply[]
  /** The fields of an error reply, if it has no error code. */
  failure: Field[] | undefined
  examples: Examples | undefined
}

type Body = { type: string; fields: Field[] }
type Reply = { status: string; text: string; fields: Field[] }

/** The order of the groups on the page. Groups in neither list stand between `first` and `last`. */
const first = [
  'sessions',
  'account',
  'users',
  'uploads',
  'administration',
  'roles',
  'oauth',
  'tokens',
  'forward-auth',
  'operations',
]
const last = ['pages', 'dialect: /api/v1', 'dialect: /user']

/** The content of the reference page, in its order, from an OpenAPI document. */
export function referenceOf(document: Document): Reference {
  const server = document.servers[0]?.url ?? ''
  const byTag = new Map<string, Entry[]>()
  for (const [path, operations] of Object.entries(document.paths)) {
    if (isTwin(path, document.paths)) continue
    for (const [name, operation] of Object.entries(operations)) {
      const [tag = 'other'] = operation.tags ?? []
      const entry = entryOf(server, name.toUpperCase(), path, operation)
      byTag.set(tag, [...(byTag.get(tag) ?? []), entry])
    }
  }
  const groups = [...byTag]
    .sort(([one], [other]) => rankOf(one) - rankOf(other))
    .map(([tag, operations]) => ({ id: idOf(tag), title: headingOf(tag), operations }))
  const codes = Object.entries(errors).map(([code, [status, message]]) => {
    return { code, status, message, help: help[code as ErrorCode] }
  })
  return { version: document.info.version, server, groups, errors: codes }
}

function rankOf(tag: string): number {
  if (first.includes(tag)) return first.indexOf(tag)
  return first.length + 1 + last.indexOf(tag)
}

const idOf = (text: string) => text.toLowerCase().match(/\w+/g)?.join('-') ?? ''

function headingOf(tag: string): string {
  const title = tag === 'oauth' ? 'OAuth' : titleOf(tag)
  return title.charAt(0).toUpperCase() + title.slice(1)
}

function entryOf(server: string, method: string, path: string, operation: Operation): Entry {
  const { summary = '', description, parameters = [], requestBody, responses } = operation
  return {
    id: idOf(`${method} ${path}`),
    method: isForAny(path) ? 'any' : method,
    path,
    summary,
    description,
    access: accessOf(method, path, operation),
    parameters: parameters.map(({ name, schema, required = false, description, ...parameter }) => ({
      ...fieldOf(name, { ...schema, ...(description && { description }) }, required),
      place: parameter.in,
    })),
    body: requestBody && bodyOf(requestBody.content),
    replies: Object.entries(responses)
      .filter(([status]) => !/^[45]/.test(status))
      .map(([status, reply]) => replyOf(status, reply)),
    failure: failureOf(responses['4XX']?.content),
    examples: examplesOf(server, method, path, operation),
  }
}

function bodyOf(content: Content): Body {
  const [[type, { schema }] = ['', { schema: {} }]] = Object.entries(content)
  return { type, fields: fieldsOf(schema) }
}

function replyOf(
  status: string,
  { description, content = {} }: Operation['responses'][string],
): Reply {
  const [[type, { schema }] = ['', { schema: {} }]] = Object.entries(content)
  const isNamed = description !== 'Default Response'
  const isObject = objectOf(schema) !== undefined
  const other = schema.description ?? (isObject || type === '' ? '' : type)
  return { status, text: isNamed ? description : other, fields: fieldsOf(schema) }
}

/** Returns undefined for error replies that have an error code. */
function failureOf(content: Content = {}): Field[] | undefined {
  const [{ schema } = { schema: {} }] = Object.values(content)
  return objectOf(schema)?.properties?.code ? undefined : fieldsOf(schema)
}

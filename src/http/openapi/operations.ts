import { errorResponses } from './errors.js'
import { refTo, type HeaderName } from './headers.js'
import { sampleOf } from './samples.js'
import type { Content, Operation, Response, Schema } from './types.js'

/** Completes an operation: its name, who may call it, what its replies are and which headers they have. */
export function describeOperation(method: string, path: string, operation: Operation): void {
  operation.operationId ??= nameOf(method, path)
  operation.description ??= operation.summary ?? ''
  // An empty requirement: the operation needs no credentials.
  operation.security ??= [{}]
  for (const { schema } of operation.parameters ?? []) readAsInteger(schema)
  addExamples(method, operation)
  allowNoBody(operation)
  const isPage = operation.tags?.includes('pages') ?? false
  operation.responses = describeResponses(method, operation, isPage)
}

/** `POST /api/users/{id}/disable` is `postApiUsersByIdDisable`. */
function nameOf(method: string, path: string): string {
  const words = path
    .replaceAll(/\{(\w+)\}/g, 'by-$1')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

/** A number in a query is text on the wire, which `x-integer` describes. */
function readAsInteger(schema: Schema & { 'x-integer'?: Schema }): void {
  const { 'x-integer': integer } = schema
  if (integer === undefined) return
  delete schema['x-integer']
  delete schema.pattern
  Object.assign(schema, { type: 'integer', ...integer })
  if (schema.default !== undefined) schema.default = Number(schema.default)
}

/** A file has no example, because no text is one. */
function addExamples(method: string, { requestBody }: Operation): void {
  for (const [type, media] of Object.entries(requestBody?.content ?? {})) {
    if (type === 'multipart/form-data') continue
    const example = sampleOf(method.toUpperCase(), media.schema)
    if (example) media.example = example
  }
}

/** A body that may be null may be left out. */
function allowNoBody({ requestBody }: Operation): void {
  if (!requestBody) return
  for (const media of Object.values(requestBody.content)) {
    const { anyOf = [] } = media.schema
    const [body, ...others] = anyOf.filter(({ type }) => type !== 'null')
    if (!body || others.length > 0 || anyOf.length === 1) continue
    media.schema = body
    requestBody.required = false
  }
}

function describeResponses(
  method: string,
  operation: Operation,
  isPage: boolean,
): Operation['responses'] {
  // A route gives one schema for all its errors, as `4XX` and `5XX`.
  const refusal = operation.responses['4XX']
  const own = Object.entries(operation.responses).filter(([status]) => !status.endsWith('XX'))
  const all = {
    ...errorResponses(method, operation, refusal?.content),
    ...Object.fromEntries(own),
    ...(refusal && { default: refusal }),
  }
  delete operation['x-errors']
  return Object.fromEntries(
    Object.entries(all).map(([status, response]) => [
      status,
      complete(response, headersOf(status, operation), { status, isPage }),
    ]),
  )
}

function complete(
  { description, content }: Response,
  headers: HeaderName[],
  { status, isPage }: { status: string; isPage: boolean },
): Response {
  const isError = /^([45]|default)/.test(status)
  return {
    description: describe(description, status),
    headers: Object.fromEntries(headers.map((name) => [name, refTo(name)])),
    ...(content && { content: isError ? errorContent(content, isPage) : byMediaType(content) }),
  }
}

const phrases: Record<string, string> = {
  '200': 'Success',
  '201': 'Created',
  '202': 'Accepted',
  '204': 'Success, without a body',
  '302': 'Go to `Location`',
  '303': 'Go to `Location`',
  '304': 'The copy of the client is current',
  default: 'The request is refused, or the service cannot answer now',
}

function describe(description: string | undefined, status: string): string {
  return description === undefined || description === 'Default Response'
    ? (phrases[status] ?? 'Reply')
    : description
}

function headersOf(status: string, { parameters = [] }: Operation): HeaderName[] {
  const names: HeaderName[] = ['X-Request-Id', 'Cache-Control', 'Access-Control-Allow-Origin']
  if (/^([24]|default)/.test(status))
    names.push('RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset')
  if (/^(429|503|default)$/.test(status)) names.push('Retry-After')
  if (/^(401|default)$/.test(status)) names.push('WWW-Authenticate')
  if (status === 'default') names.push('Allow')
  if (/^(201|30[1-8]|401|default)$/.test(status)) names.push('Location')
  const isList = parameters.some(({ name }) => name === 'total')
  if (status === '200' && isList) names.push('Link', 'X-Total-Count')
  names.push('Set-Cookie')
  return names
}

/** Text has the media type that its schema names, such as `text/html`, and everything else the type of the route. */
function byMediaType(content: Content): Content {
  const split: Content = {}
  for (const [type, { schema }] of Object.entries(content)) {
    const { anyOf = [] } = schema
    if (!anyOf.some(({ contentMediaType }) => contentMediaType)) add(type, schema)
    else for (const one of anyOf) add(type, one)
  }
  return split

  function add(type: string, schema: Schema): void {
    split[schema.contentMediaType ?? type] = { schema }
  }
}

/** Errors are JSON. A page shows them as HTML to a browser. */
function errorContent(content: Content, isPage: boolean): Content {
  const [media] = Object.values(content)
  if (!media) return content
  const html = { schema: { type: 'string', contentMediaType: 'text/html' } }
  return { 'application/json': media, ...(isPage && { 'text/html': html }) }
}

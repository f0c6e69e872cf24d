import { errors, type ErrorCode } from '../../errors.js'
import type { Content, Operation, Response } from './types.js'

const always: ErrorCode[] = [
  'bad_request',
  'invalid_attestation',
  'request_timeout',
  'headers_too_large',
  'internal',
  'unavailable',
]
const ofInput: ErrorCode[] = ['validation_failed']
const ofBody: ErrorCode[] = ['invalid_json', 'body_too_large', 'unsupported_media_type']
const ofToken: ErrorCode[] = ['invalid_token', 'token_stale', 'forbidden']
// While a network tries unknown API keys.
const ofApiKey: ErrorCode[] = ['rate_limited', 'overloaded']

/** The replies of an operation with an error code, by status. `content` is that of its other errors. */
export function errorResponses(
  method: string,
  operation: Operation,
  content: Content | undefined,
): Record<string, Response> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codesOf(method, operation)) {
    const [status] = errors[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([one], [other]) => one - other)
      .map(([status, codes]) => [String(status), responseOf(codes, content)]),
  )
}

function codesOf(method: string, operation: Operation): Set<ErrorCode> {
  const { parameters = [], requestBody, security = [], tags = [] } = operation
  const schemes = security.flatMap(Object.keys)
  const isForBrowsers = schemes.includes('session') || tags.includes('pages')
  const hasInput = parameters.length > 0 || requestBody !== undefined || method !== 'get'
  return new Set([
    ...always,
    ...(hasInput ? ofInput : []),
    ...(method === 'get' ? [] : ofBody),
    ...(schemes.includes('bearer') ? ofToken : []),
    ...(schemes.includes('apiKey') ? ofApiKey : []),
    ...(isForBrowsers && method !== 'get' ? (['cross_site_request'] as const) : []),
    ...(operation['x-errors'] ?? []),
  ])
}

function responseOf(codes: ErrorCode[], content: Content | undefined): Response {
  const lines = codes.map((code) => `\`${code}\`: ${errors[code][1]}`)
  return {
    description: lines.join('. '),
    ...(content && {
      content: Object.fromEntries(
        Object.entries(content).map(([type, media]) => [
          type,
          { schema: narrow(media.schema, codes) },
        ]),
      ),
    }),
  }
}

/** The schema of an error, with these codes alone. Older systems and OAuth have no such codes. */
function narrow(schema: Content[string]['schema'], codes: ErrorCode[]) {
  if (schema.title !== 'Error') return schema
  return { allOf: [schema, { type: 'object', properties: { code: { enum: codes } } }] }
}

import {
  accessOf,
  isForAny,
  isTwin,
  titleOf,
  type Document,
  type Operation,
  type Schema,
} from '../../src/pages/reference/document.js'
import { code, page, table } from './markdown.js'

export type { Document }

const intro = `Success is \`{"status":"success", …}\`. Failure is \`{"status":"error","code","message"}\`, with
\`errors: [{field, message}]\` if a field is wrong ([errors](errors.md)). \`GET /docs\` is the same page on a
running server, and \`GET /openapi.json\` for programs.

| access | the request has |
|---|---|
| public | nothing |
| token | \`Authorization: Bearer ACCESS_TOKEN\` of a user, or the [session cookie](../sessions.md#use-the-cookies) |
| Bearer | the same, but no cookie |
| admin | the token of a user or a client with the role \`admin\` |
| session | the session cookie of a browser |
| client | a client's name and secret, by Basic or in the form |

A field with \`?\` may be left out. Every route may also answer 4xx and 5xx.

- \`HEAD\` answers as \`GET\` does, without the body, and changes nothing: it renews no session and sets no cookie. It is not there
  where \`GET\` changes something: at \`/logout\`, \`/auth/…\`, \`/user/logout\` and \`/user/refresh-token\`.
- \`OPTIONS\` answers 204 with \`Allow\`. Another method that the path does not have gets 405 with \`Allow\`. Neither needs a token.
- Every reply has \`X-Request-Id\` ([read the log](../operations.md#read-the-log)).`

/** Every route of the OpenAPI document, a table for each tag. */
export function routesPage({ paths }: Document): string {
  const byTag = new Map<string, string[][]>()
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (isTwin(path, paths)) continue
      const [tag = 'other'] = operation.tags ?? []
      byTag.set(tag, [...(byTag.get(tag) ?? []), rowOf(method.toUpperCase(), path, operation)])
    }
  }
  // The document lists every route but itself.
  byTag.get('operations')?.push(['`GET /openapi.json`', 'public', '', 'This document', '200'])
  const head = ['route', 'access', 'takes', 'what', 'answers']
  const tables = [...byTag].map(([tag, rows]) => `## ${titleOf(tag)}\n\n${table(head, rows)}`)
  return page('Routes', intro, ...tables)
}

function rowOf(method: string, path: string, operation: Operation): string[] {
  const url = path.replaceAll(/\{(\w+)\}/g, ':$1')
  const route = isForAny(path) ? `any ${url}` : `${method} ${url}`
  const access = accessOf(method, path, operation)
  const statuses = Object.keys(operation.responses).filter((status) => !/^[45]/.test(status))
  return [code(route), access, takes(operation), operation.summary ?? '', statuses.join(', ')]
}

function takes({ parameters = [], requestBody }: Operation): string {
  const query = parameters.filter((each) => each.in === 'query').map(({ name }) => `?${name}=`)
  const bodies = Object.entries(requestBody?.content ?? {}).map(([, { schema }]) =>
    fieldsOf(schema),
  )
  return [...new Set(bodies), query.join(' ')].filter(Boolean).map(code).join(' ')
}

function fieldsOf({ properties = {}, required = [], anyOf }: Schema): string {
  if (anyOf) return anyOf.map(fieldsOf).filter(Boolean).join(' or ')
  const names = Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`))
  return names.length === 0 ? '' : `{${names.join(', ')}}`
}

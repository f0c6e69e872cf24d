import { code, page, table } from './markdown.js'

type Schema = { properties?: Record<string, unknown>; required?: string[]; anyOf?: Schema[] }
type Operation = {
  tags?: string[]
  summary?: string
  security?: Record<string, string[]>[]
  parameters?: { name: string; in: string }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, unknown>
}
export type Document = { paths: Record<string, Record<string, Operation>> }

/** Routes whose callers prove something else than an access token. */
const otherAccess: Record<string, string> = {
  'POST /api/refresh': 'refresh token',
  'GET /user/refresh-token': 'refresh token',
  'POST /oauth/token': 'client, or refresh token',
  'POST /oauth/introspect': 'client',
  'POST /oauth/revoke': 'holder of the token',
  'GET /metrics': '`METRICS_TOKEN`, if set',
  'GET /welcome': 'session',
  'POST /welcome/picture': 'session',
  'POST /auth/{provider}/connect': 'session',
  'POST /auth/{provider}/disconnect': 'session',
}

const intro = `Success is \`{"status":"success", …}\`. Failure is \`{"status":"error","code","message"}\`, with
\`errors: [{field, message}]\` if a field is wrong ([errors](errors.md)). \`GET /openapi.json\` is the same for programs.

| access | the request has |
|---|---|
| public | nothing |
| token | \`Authorization: Bearer ACCESS_TOKEN\` of a user, or the [session cookie](../sessions.md#use-the-cookies) |
| Bearer | the same, but no cookie |
| admin | the token of a user or a client with the role \`admin\` |
| session | the session cookie of a browser |
| client | a client's name and secret, by Basic or in the form |

A field with \`?\` may be left out. Every route may also answer 4xx and 5xx.`

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

/** The same path with a closing slash. */
const isTwin = (path: string, paths: Document['paths']) =>
  path.length > 1 && path.endsWith('/') && path.slice(0, -1) in paths

const titleOf = (tag: string) =>
  tag.startsWith('dialect: ') ? `Older system: ${tag.slice(9)}` : tag

function rowOf(method: string, path: string, operation: Operation): string[] {
  const url = path.replaceAll(/\{(\w+)\}/g, ':$1')
  // The proxy may ask by any method.
  const route = path.startsWith('/forward-auth') ? `any ${url}` : `${method} ${url}`
  const access = otherAccess[`${method} ${path}`] ?? accessOf(operation)
  const statuses = Object.keys(operation.responses).filter((status) => !/^[45]/.test(status))
  return [code(route), access, takes(operation), operation.summary ?? '', statuses.join(', ')]
}

function accessOf({ security }: Operation): string {
  if (!security) return 'public'
  const [role] = Object.values(security[0] ?? {}).flat()
  if (role !== undefined) return role
  return security.length === 1 ? 'Bearer' : 'token'
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

/** The parts of an OpenAPI 3.1 document that the reference page uses. */
export type Document = {
  info: { version: string }
  servers: { url: string }[]
  paths: Record<string, Record<string, Operation>>
}

export type Operation = {
  tags?: string[]
  summary?: string
  description?: string
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { description: string; content?: Content }>
}

export type Parameter = {
  name: string
  in: string
  required?: boolean
  description?: string
  schema: Schema
}

export type Content = Record<string, { schema: Schema }>

export type Schema = {
  type?: string | string[]
  format?: string
  description?: string
  enum?: unknown[]
  pattern?: string
  default?: unknown
  minLength?: number
  maxLength?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
}

/** The access to routes that take another credential than an access token. */
const otherAccess: Record<string, string> = {
  'POST /api/refresh': 'refresh token',
  'GET /user/refresh-token': 'refresh token',
  'POST /oauth/token': 'client, or refresh token',
  'POST /oauth/device_authorization': 'client, or none',
  'POST /oauth/introspect': 'client',
  'POST /oauth/revoke': 'holder of the token',
  'GET /metrics': '`METRICS_TOKEN`, if set',
  'GET /welcome': 'session',
  'POST /welcome/picture': 'session',
  'POST /welcome/picture/remove': 'session',
  'POST /auth/{provider}/connect': 'session',
  'POST /auth/{provider}/disconnect': 'session',
}

/** Who may call an operation: a role, a kind of token, or everyone. */
export function accessOf(method: string, path: string, { security }: Operation): string {
  const other = otherAccess[`${method} ${path}`]
  if (other !== undefined) return other
  if (!security) return 'public'
  const [role] = Object.values(security[0] ?? {}).flat()
  if (role !== undefined) return role
  return security.length === 1 ? 'Bearer' : 'token'
}

/** Whether the path is that of another route, with a trailing slash. */
export const isTwin = (path: string, paths: Document['paths']) =>
  path.length > 1 && path.endsWith('/') && path.slice(0, -1) in paths

/** Whether the route accepts every method, although the document lists only one. */
export const isForAny = (path: string) => /^\/forward-auth(?:\/mfa)?(?:\/role\/|$)/.test(path)

export const titleOf = (tag: string) =>
  tag.startsWith('dialect: ') ? `Older system: ${tag.slice(9)}` : tag

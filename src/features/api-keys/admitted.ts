import type { FastifyRequest } from 'fastify'

const addresses = ['username', 'email', 'mobile']

/**
 * The routes that an API key opens, and the fields that a body must not have then. Every other route refuses keys:
 * those about passwords, addresses, logins by providers, keys, sessions and the end of an account, and pages. No key
 * grants a role, because that power would outlive the key. A new route refuses keys until it is added here.
 */
const admitted: Record<string, string[]> = {
  'GET /api/user': [],
  'PATCH /api/user': [...addresses, 'password'],
  'POST /api/upload-picture': [],
  'POST /api/upload_profile_pic': [],
  'POST /api/upload_readme': [],
  'DELETE /api/user/picture': [],
  'DELETE /api/user/readme': [],
  'GET /api/users': [],
  'POST /api/users': ['roles'],
  'GET /api/users/:id': [],
  'PATCH /api/users/:id': addresses,
  'POST /api/users/:id/disable': [],
  'POST /api/users/:id/enable': [],
  'GET /api/roles': [],
  'POST /api/roles': [],
  'DELETE /api/roles/:name': [],
  'DELETE /api/users/:id/roles/:name': [],
  'GET /api/audit': [],
}

/** A proxy asks these for the requests of other apps, by any method. */
const forOtherApps = ['/forward-auth', '/forward-auth/role/:role']

/** Whether an API key, or an access token that was issued for one, opens the route of the request. */
export function admitsApiKey({ method, routeOptions, body }: FastifyRequest): boolean {
  const { url = '' } = routeOptions
  if (forOtherApps.includes(url)) return true
  const name = `${method === 'HEAD' ? 'GET' : method} ${url}`
  const refused = Object.hasOwn(admitted, name) ? admitted[name] : undefined
  return refused?.every((field) => !hasField(body, field)) === true
}

/** Whether OpenAPI says of a route that an API key opens it. */
export const opensByApiKey = (method: string | string[], url: string): boolean =>
  forOtherApps.includes(url) ||
  [method].flat().some((one) => Object.hasOwn(admitted, `${one} ${url}`))

const hasField = (body: unknown, field: string) =>
  typeof body === 'object' && body !== null && Object.hasOwn(body, field)

import { readFileSync } from 'node:fs'
import t from 'tap'
import { errors } from '../src/errors.js'
import { testApp } from './support/app.js'

/** The routes that need no access token, and HEAD with GET. A new one is public only when it is added here. */
const publicRoutes = [
  'GET /health/live',
  'GET /health/ready',
  'OPTIONS /health/ready',
  'GET /.well-known/jwks.json',
  'GET /.well-known/revocations',
  'GET /.well-known/webauthn',
  'GET /.well-known/oauth-authorization-server',
  'GET /oauth/authorize',
  'POST /oauth/token',
  'POST /oauth/device_authorization',
  'POST /oauth/introspect',
  'POST /oauth/revoke',
  'GET /openapi.json',
  'GET /docs',
  'GET /metrics',
  'POST /api/register',
  'POST /api/activate',
  'POST /api/activate/resend',
  'POST /api/login',
  'POST /api/login/verify',
  'POST /api/login/enrol',
  'POST /api/login/passkey/options',
  'POST /api/login/passkey',
  'POST /api/refresh',
  'POST /api/password/forgot',
  'POST /api/password/reset',
  'POST /api/user/confirm',
  'GET /activate',
  'POST /activate',
  'GET /reset',
  'POST /reset',
  'GET /confirm',
  'POST /confirm',
  'GET /not-me',
  'POST /not-me',
  'GET /activate/code',
  'POST /activate/code',
  'GET /reset/code',
  'POST /reset/code',
  'GET /confirm/code',
  'POST /confirm/code',
  'GET /activate/resend',
  'POST /activate/resend',
  'GET /dev/mail',
  'GET /dev/mail/:id',
  'GET /login',
  'POST /login',
  'POST /login/verify',
  'POST /login/enrol',
  'POST /login/passkey',
  'GET /passkeys.js',
  'GET /register',
  'POST /register',
  'GET /favicon.ico',
  'GET /.well-known/change-password',
  'GET /forgot',
  'POST /forgot',
  'GET /welcome',
  'GET /account',
  'GET /account/profile',
  'GET /account/password',
  'GET /account/delete',
  'GET /account/passkeys',
  'GET /forward-auth/login',
  'GET /forward-auth/callback',
  'GET /forward-auth/logout',
  'POST /forward-auth/logout',
  'GET /welcome/api-keys',
  'GET /second-factor',
  'GET /device',
  'GET /auth/:provider',
  'GET /auth/:provider/callback',
  'GET /logout',
  'POST /logout',
  'GET /api/users/:id/picture',
  'GET /api/users/:id/readme',
  'POST /api/v1/users/signup',
  'POST /api/v1/users/login',
  'POST /user',
  'POST /user/',
  'POST /user/login',
  'POST /user/login/',
  'POST /user/activate-account',
  'POST /user/activate-account/',
]

const reference = (name: string) =>
  readFileSync(new URL(`../docs/reference/${name}.md`, import.meta.url), 'utf8')

/** Of these every method is a route; docs and the OpenAPI document have them once. */
const isForAny = (url: string) => /^\/forward-auth(\/mfa)?(\/role\/|$)/.test(url)

const isDialect = (url: string) => /^\/(user|api\/v1)(\/|$)/.test(url)

/** What a client asks for: a parameter is a UUID, or a name. */
const toPath = (url: string) =>
  url
    .replace(/:(id|uuid)/, '01890a5d-ac96-774b-bcce-b302099a8057')
    .replace(':username', 'ada')
    .replace(':role', 'admin')
    .replace(':name', 'admin')

/** Every route of the service, as `METHOD /path`, read from the router itself. */
async function routesOf(t: Parameters<typeof testApp>[0]) {
  const { app } = await testApp(t)
  await app.ready()
  const routes: string[] = []
  const lines = app.printRoutes({ commonPrefix: false, includeHooks: false }).split('\n')
  const path: string[] = []
  for (const line of lines) {
    const [, indent, segment, methods] =
      /^((?:[│ ] {3})*)[├└]── (\S*)(?: \(([A-Z, -]+)\))?$/.exec(line) ?? []
    if (indent === undefined || segment === undefined) continue
    path.length = indent.length / 4
    path.push(segment)
    for (const method of methods?.split(', ') ?? []) routes.push(`${method} ${path.join('')}`)
  }
  return { app, routes }
}

t.test('every route refuses who has no token, but for a literal list', async (t) => {
  const { app, routes } = await routesOf(t)
  t.ok(routes.length > publicRoutes.length)
  for (const route of publicRoutes) t.ok(routes.includes(route), `${route} exists`)
  for (const route of routes) {
    if (publicRoutes.includes(route.replace(/^HEAD /, 'GET '))) continue
    const [method = '', url = ''] = route.split(' ')
    const answer = await app.inject({
      method: method as 'GET',
      url: toPath(url),
      payload: method === 'GET' || method === 'HEAD' ? undefined : {},
    })
    t.equal(answer.statusCode, 401, route)
    t.match(answer.headers['www-authenticate'], /^Bearer /, route)
    if (method === 'HEAD') continue
    // The older systems have a text in the place of a code.
    const { code, error, message } = answer.json<Record<string, string>>()
    const refusal = isDialect(url) ? (error ?? message) : code
    t.equal(refusal, isDialect(url) ? 'Not logged in' : 'invalid_token', route)
  }
})

t.test('every route declares its replies, and docs and the OpenAPI document list it', async (t) => {
  const { app, routes } = await routesOf(t)
  const document = app.swagger() as unknown as {
    paths: Record<string, Record<string, { responses: object }>>
  }
  const page = reference('routes')
  for (const route of routes) {
    const [method = '', url = ''] = route.split(' ')
    if (method === 'HEAD' || route === 'OPTIONS /health/ready') continue
    if (url.startsWith('/dev/')) continue // no service has it but a developer's own
    const listed = isForAny(url) ? `any ${url}` : isDialect(url) ? route.replace(/\/$/, '') : route
    t.ok(page.includes(`| \`${listed}\` |`), `docs list ${route}`)
    if (url === '/openapi.json' || (isForAny(url) && method !== 'GET')) continue
    const operation = document.paths[url.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
    t.ok(
      operation && Object.keys(operation.responses).some((status) => /^[23]/.test(status)),
      route,
    )
  }
})

t.test('docs list every error code with its status', (t) => {
  const page = reference('errors')
  for (const [code, [status]] of Object.entries(errors))
    t.match(page, `| \`${code}\` | ${status} |`)
  t.end()
})

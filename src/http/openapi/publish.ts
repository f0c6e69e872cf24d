import { describeOperation } from './operations.js'
import { headers } from './headers.js'
import { extractShared } from './responses.js'
import { extractNamed, limitSchema } from './schemas.js'
import type { OpenApi, Operation } from './types.js'

/**
 * The document for other programs, made from the one that @fastify/swagger collects from the routes:
 * generators need a name for each operation and schema, and linters a limit for each value.
 */
export function publish(collected: object): OpenApi {
  const document = structuredClone(collected) as OpenApi
  document.servers = document.servers.map(describeServer)
  document.paths = withoutTwins(document.paths)
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      describeOperation(method, path, operation)
    }
  }
  limitSchema(document.paths)
  const schemas = extractNamed(document.paths)
  const responses = extractShared(document.paths)
  document.components = { ...document.components, schemas, responses, headers }
  document.tags = tagsOf(Object.values(document.paths).flatMap(Object.values<Operation>))
  return document
}

function describeServer({ url }: { url: string }) {
  const isLocal = /^(localhost|127\.|\[::1\])/.test(new URL(url).hostname)
  return { url, description: isLocal ? 'Local' : 'Production', 'x-internal': isLocal }
}

/** Leaves out a path that is another path with a trailing slash. Both give the same replies. */
function withoutTwins(paths: OpenApi['paths']): OpenApi['paths'] {
  return Object.fromEntries(
    Object.entries(paths).filter(
      ([path]) => path === '/' || !path.endsWith('/') || !(path.slice(0, -1) in paths),
    ),
  )
}

const descriptions: Record<string, string> = {
  account: 'The account of the signed-in user, activation and password reset',
  administration: 'Users and the audit log, for administrators',
  sessions: 'Login, refresh and logout',
  users: 'Login by other providers, and the accounts there',
  uploads: 'Pictures and READMEs',
  roles: 'Roles, for administrators',
  oauth: 'Introspection, revocation and tokens for clients (RFC 7662, RFC 7009, RFC 6749)',
  tokens: 'Public keys, metadata and the feed of revocations',
  'forward-auth': 'For reverse proxies',
  operations: 'Health and metrics',
  pages: 'Pages for browsers',
}

function tagsOf(operations: Operation[]): { name: string; description: string }[] {
  const names = new Set(operations.flatMap(({ tags = [] }) => tags))
  return [...names].map((name) => ({
    name,
    description: descriptions[name] ?? 'The paths and envelopes of an older system',
  }))
}

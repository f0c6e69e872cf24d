import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'

const read = (name: string) =>
  parse(readFileSync(new URL(`../../examples/proxies/traefik/${name}`, import.meta.url), 'utf8'))

type Middleware = {
  headers?: { customRequestHeaders: Record<string, string> }
  forwardAuth?: { address: string; trustForwardHeader: boolean; authResponseHeaders: string[] }
}

const { http } = read('dynamic.yml')
const middlewares = http.middlewares as Record<string, Middleware>
const routers = http.routers as Record<
  string,
  { rule: string; priority: number; middlewares: string[]; service: string }
>
const identity = ['Remote-User', 'Remote-Email', 'Remote-Name', 'Remote-Groups']

t.test('Traefik throws away what looks like an identity, and then asks', (t) => {
  for (const [name, { middlewares: names, service }] of Object.entries(routers)) {
    const [first, second, ...more] = names.map((one) => middlewares[one])
    const removed = [...identity, ...identity.map((header) => header.replace('-', '_'))].map(
      (header) => [header, ''],
    )
    t.strictSame(Object.entries(first?.headers?.customRequestHeaders ?? {}), removed, name)
    t.strictSame(more, [], name)
    if (service === 'gatehouse' || name === 'ambiguous') continue
    t.strictSame(second?.forwardAuth?.authResponseHeaders, identity, name)
    t.equal(second?.forwardAuth?.trustForwardHeader, false, name)
  }
  t.end()
})

t.test('the narrowest path comes first, and each leads to what is there', (t) => {
  const paths = Object.values(routers).sort((a, b) => b.priority - a.priority)
  const asked = paths.map(
    ({ middlewares: [, name = ''] }) => middlewares[name]?.forwardAuth?.address,
  )
  const base = 'http://gatehouse:3000/forward-auth'
  t.strictSame(asked, [undefined, `${base}/role/admin`, base, undefined])
  for (const { service } of paths) t.ok(http.services[service], service)
  t.end()
})

const refused = Object.fromEntries(
  ['Slash', 'BackSlash', 'NullCharacter', 'Semicolon', 'Percent', 'QuestionMark', 'Hash'].map(
    (name) => [`allowEncoded${name}`, false],
  ),
)

t.test('a path with a semicolon or a backslash gets no further', (t) => {
  const { rule, middlewares: names } = routers.ambiguous!
  t.match(rule, 'PathRegexp(`[;\\\\]`)')
  const refuse = middlewares[names.at(-1)!] as { ipAllowList: { sourceRange: string[] } }
  t.strictSame(refuse.ipAllowList.sourceRange, ['255.255.255.255/32'], 'the address of no client')
  t.end()
})

t.test('an entry point trusts no client, and lets no look-alike of a header pass', (t) => {
  for (const entry of Object.values<Record<string, unknown>>(read('traefik.yml').entryPoints)) {
    t.match(entry.http, { aliasHeadersStrategy: 'delete' })
    if ('tls' in (entry.http as object)) t.match(entry.http, { encodedCharacters: refused })
    t.equal(entry.forwardedHeaders, undefined)
  }
  t.end()
})

t.test('apps on hosts of their own: Gatehouse logs in, and each app is asked for', (t) => {
  const { http: many } = read('../many-hosts/traefik.yml')
  for (const [name, address] of [
    ['logged-in', 'http://gatehouse:3000/forward-auth'],
    ['second-factor', 'http://gatehouse:3000/forward-auth/mfa'],
  ] as const)
    t.match(many.middlewares[name].forwardAuth, {
      address,
      authResponseHeaders: identity,
      addAuthCookiesToResponse: ['__Host-gatehouse'],
      trustForwardHeader: false,
    })
  const found = Object.entries(many.routers as typeof routers)
  for (const [name, { middlewares: names, service }] of found) {
    const isApp = service !== 'gatehouse'
    t.strictSame(names, ['strip-identity', ...(isApp ? ['logged-in', 'no-store'] : [])], name)
    t.ok(many.services[service], service)
  }
  t.ok(many.routers.login.priority > many.routers.app1.priority)
  t.end()
})

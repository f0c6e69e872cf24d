import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createAddressOf, followSockets } from '../../packages/client/src/astro/address.js'
import { createMiddleware } from '../../packages/client/src/astro/middleware.js'
import { isProtected, nextPage } from '../../packages/client/src/astro/paths.js'
import { gatehouse } from '../../packages/client/src/astro/index.js'
import type { Context, GatehouseLocals } from '../../packages/client/src/astro/types.js'
import type { Claims } from '@gatehouse/verify'

const settings = { protect: ['/app'], loginPage: '/login', base: '/', isSecure: true }

t.test('a path is protected in every spelling, with and without a base', (t) => {
  const covers = (path: string, base = '/', routePattern = '/[...path]') => {
    const url = new URL(`https://site.example${path}`)
    return isProtected({ routePattern, url }, { protect: ['/app'], base })
  }
  for (const path of [
    '/app',
    '/app/',
    '/app/x',
    '//app',
    '/%61pp',
    '/%2561pp/x',
    '/APP',
    '/y/../app',
  ])
    t.ok(covers(path), path)
  for (const path of ['/', '/apple', '/x/app']) t.notOk(covers(path), path)
  t.ok(covers('/sub/app/x', '/sub/'))
  t.notOk(covers('/sub/apple', '/sub'))
  t.ok(covers('/anything', '/', '/app/[id]'), 'the route decides too')
  t.end()
})

t.test('after a login the visitor comes to a page of the site only', (t) => {
  const next = (value: string) =>
    nextPage(new URL(`https://site.example/login?next=${encodeURIComponent(value)}`), '/home')
  t.equal(next('/app?x=1'), '/app?x=1')
  for (const evil of [
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    'app',
    '/\tx',
    '',
  ])
    t.equal(next(evil), '/home', evil)
  t.equal(nextPage(new URL('https://site.example/login')), '/')
  t.end()
})

t.test('a path that leaves a protected folder only once it is decoded is protected', (t) => {
  for (const path of [
    '/app/..%2f',
    '/app/%2e%2e%2fx',
    '/x%3f%2f..%2fapp',
    '/x/..%252fapp',
    '/%09/app',
  ]) {
    const url = new URL(`https://site.example${path}`)
    const settings = { protect: ['/app'], base: '/' }
    t.ok(isProtected({ routePattern: '/[...path]', url }, settings), path)
  }
  const odd = new URL('https://site.example/%09/%5B')
  t.notOk(isProtected({ routePattern: '/[...path]', url: odd }, { protect: ['/app'], base: '/' }))
  t.end()
})

const now = Date.parse('2026-01-01T00:00:00Z')
const claimsFor = (minutes: number) =>
  ({ sub: 'ada', exp: now / 1_000 + minutes * 60, roles: [] }) as unknown as Claims

type Visit = {
  path?: string
  answer?: () => Response
  isReady?: boolean
  page?: (locals: GatehouseLocals) => Promise<void>
}

/** A request with cookies; tokens are good for as many minutes as they say. */
async function visit(
  jar: Record<string, string>,
  {
    path = '/app',
    answer = () => Response.json({}, { status: 401 }),
    isReady = true,
    page = () => Promise.resolve(),
  }: Visit = {},
) {
  const cookies = new Map(Object.entries(jar).map(([name, value]) => [`__Host-${name}`, value]))
  const sent: { url: string; headers: Headers }[] = []
  const middleware = createMiddleware({
    ...{ settings, url: 'http://gatehouse', now: () => now, addressOf: () => '203.0.113.7' },
    verifier: {
      isReady: () => isReady,
      ready: Promise.resolve(),
      verify: (token) => {
        if (!isReady) throw Object.assign(new Error(), { code: 'unavailable' })
        if (token === 'revoked') throw Object.assign(new Error(), { code: 'invalid_token' })
        return claimsFor(Number(token))
      },
    },
    fetch: (url, init) => {
      sent.push({ url, headers: new Headers(init.headers) })
      return Promise.resolve(answer())
    },
  })
  const url = new URL(`https://site.example${path}`)
  const headers = { accept: 'text/html', 'user-agent': 'Browser', 'x-forwarded-for': '6.6.6.6' }
  const context: Context & { locals: { user?: Claims } } = {
    ...{ url, request: new Request(url, { headers }), isPrerendered: false, routePattern: path },
    cookies: {
      get: (name) => (cookies.has(name) ? { value: cookies.get(name) ?? '' } : undefined),
      set: (name, value) => void cookies.set(name, value),
      delete: (name) => void cookies.delete(name),
    },
    locals: {},
  }
  const reply = await middleware(context, async () => {
    await page(context.locals as GatehouseLocals)
    return new Response('page')
  })
  return { reply, user: context.locals.user, cookies: Object.fromEntries(cookies), sent }
}

const renewed = () =>
  Response.json({
    access_token: '15',
    refresh_token: 'next',
    expires_in: 900,
    refresh_expires_in: 9_000,
  })

t.test('a good access token needs no call, and the page may not be cached', async (t) => {
  const { reply, user, sent } = await visit({ session: '10', refresh: 'r' })
  t.match(user, { sub: 'ada' })
  t.strictSame(
    [reply.status, reply.headers.get('cache-control'), sent],
    [200, 'private, no-store', []],
  )
})

t.test('a token is renewed half a minute before it expires', async (t) => {
  const { user, cookies, sent, reply } = await visit(
    { session: '0.4', refresh: 'r' },
    { path: '/', answer: renewed },
  )
  t.match(user, { sub: 'ada' })
  t.strictSame(cookies, { '__Host-session': '15', '__Host-refresh': 'next' })
  t.equal(reply.headers.get('cache-control'), 'private, no-store')
  t.equal(sent[0]?.url, 'http://gatehouse/api/refresh')
  t.equal(sent[0]?.headers.get('x-forwarded-for'), '203.0.113.7', 'not what the browser says')
  t.equal(sent[0]?.headers.get('user-agent'), 'Browser')
})

t.test('only a mark of a device goes into the Cookie header', async (t) => {
  const sentFor = async (device: string) => {
    const jar = { session: '0.4', refresh: 'r', device }
    const { sent } = await visit(jar, { path: '/', answer: renewed })
    return sent[0]?.headers.get('cookie')
  }
  t.equal(await sentFor('aB3.x~-_'), 'device=aB3.x~-_; __Host-device=aB3.x~-_')
  for (const forged of ['x; session=stolen', 'x\r\nx-a: b', 'x, y', 'é', '', 'x'.repeat(513)])
    t.equal(await sentFor(forged), null, JSON.stringify(forged.slice(0, 20)))
})

t.test('other services neither learn nor set the mark of a device', async (t) => {
  const answer = () =>
    new Response('{}', { headers: { 'set-cookie': 'device=foreign; Path=/; HttpOnly' } })
  const jar = { session: '10', refresh: 'r', device: 'mark' }
  const call = async (target: string) => {
    const { sent, cookies } = await visit(jar, {
      answer,
      page: async ({ gatehouse }) => {
        await gatehouse.fetch(target)
      },
    })
    return { ...Object.fromEntries(sent[0]?.headers ?? []), device: cookies['__Host-device'] }
  }
  t.match(await call('http://gatehouse/api/user'), {
    cookie: 'device=mark; __Host-device=mark',
    device: 'foreign',
  })
  for (const target of ['https://api.example/x', 'http://gatehouse.evil/', 'http://gatehouse:81/'])
    t.strictSame(await call(target), { authorization: 'Bearer 10', device: 'mark' }, target)
})

t.test('a cookie that is longer than browsers keep is not sent on or remembered', async (t) => {
  const { sent } = await visit({ refresh: 'r'.repeat(4_097) }, { path: '/' })
  t.strictSame(sent, [])
})

t.test('an ended session loses its cookies and opens nothing', async (t) => {
  const { user, cookies, reply } = await visit({ session: 'revoked', refresh: 'r' })
  t.strictSame([user, cookies, reply.status], [undefined, {}, 303])
  t.equal(reply.headers.get('location'), '/login?next=%2Fapp')
})

t.test(
  'without Gatehouse a good token serves on, and an expired one keeps its cookies',
  async (t) => {
    const answer = () => Response.json({}, { status: 503, headers: { 'retry-after': '60' } })
    t.match((await visit({ session: '0.4', refresh: 'r' }, { answer })).user, { sub: 'ada' })
    const { reply, cookies } = await visit({ refresh: 'r' }, { answer })
    t.strictSame([reply.status, cookies], [503, { '__Host-refresh': 'r' }])
  },
)

t.test('a refused attestation is a fault of the site, and no outage', async (t) => {
  const log = t.capture(console, 'error')
  const body = { code: 'invalid_attestation', message: 'The attestation is not valid' }
  const answer = () => Response.json(body, { status: 400 })
  const { reply, cookies } = await visit({ refresh: 'r' }, { answer })
  t.strictSame([reply.status, cookies], [500, { '__Host-refresh': 'r' }])
  t.match(log(), [{ args: [/GATEHOUSE_SITE_KEY/] }])
})

t.test('a site that does not hear of revocations opens no protected page', async (t) => {
  const { reply, user } = await visit({ session: '10', refresh: 'r' }, { isReady: false })
  t.strictSame([reply.status, user], [503, undefined])
  const open = await visit({ session: '10', refresh: 'r' }, { isReady: false, path: '/' })
  t.strictSame([open.reply.status, open.user], [200, undefined])
})

t.test('the integration warns of an empty allowedDomains', (t) => {
  const warnings: string[] = []
  const done = gatehouse().hooks['astro:config:done']
  const options = { logger: { warn: (line: string) => warnings.push(line) }, injectTypes: () => 0 }
  done({ ...options, config: { base: '/', security: { allowedDomains: [{}] } } })
  t.strictSame(warnings, [])
  done({ ...options, config: { base: '/' } })
  t.match(warnings, [/security\.allowedDomains/])
  t.throws(() => gatehouse({ protect: ['app'] }), /must begin with \//)
  t.end()
})

t.test("the visitor's address is the socket's, or what named proxies say of it", async (t) => {
  followSockets()
  const addressFor = async (proxies: string, forwarded: string) => {
    const addressOf = createAddressOf(proxies)
    const server = createServer((request, response) => {
      const header = request.headers['x-forwarded-for'] as string | undefined
      // As in a page: after the site has waited for something.
      setTimeout(() => response.end(addressOf(header ?? null)), 1)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const headers = { 'x-forwarded-for': forwarded }
    const address = await new Promise<string>((resolve) => {
      get({ port, host: '127.0.0.1', headers }, (reply) => void text(reply).then(resolve))
    })
    server.close()
    return address
  }
  t.equal(await addressFor('', '203.0.113.9'), '127.0.0.1', 'no proxy is named')
  t.equal(await addressFor('10.0.0.0/8', '203.0.113.9'), '127.0.0.1', 'the visitor is no proxy')
  t.equal(await addressFor('127.0.0.1', '203.0.113.9'), '203.0.113.9')
  t.equal(
    await addressFor('127.0.0.1', '6.6.6.6, 203.0.113.9'),
    '203.0.113.9',
    'a forged first value',
  )
  t.equal(await addressFor('127.0.0.1,10.0.0.0/8', '6.6.6.6, 203.0.113.9, 10.1.2.3'), '203.0.113.9')
  t.equal(await addressFor('127.0.0.1', 'unknown'), '127.0.0.1')
  t.equal(await addressFor('127.0.0.1', '6.6.6.6, 2001:db8::1'), '2001:db8::1')
  for (const proxies of ['localhost', '10.0.0.0/x', '10.0.0.0/99'])
    t.throws(() => createAddressOf(proxies), proxies)
})

import t, { type Test } from 'tap'
import { GET as callback } from '../../packages/client/src/astro/callback-route.js'
import { gatehouse, type GatehouseOptions } from '../../packages/client/src/astro/index.js'
import { GET as login } from '../../packages/client/src/astro/login-route.js'
import { createMiddleware } from '../../packages/client/src/astro/middleware.js'
import type { Context, GatehouseLocals, Settings } from '../../packages/client/src/astro/types.js'
import { createVerifier } from '@gatehouse/verify'
import { listeningApp, logIn, signUp } from '../support/app.js'
import { addApp, removeClient } from '../support/oauth.js'

const site = 'https://site.example'
const hosted = {
  ...{ clientId: 'shop', loginPath: '/login', callbackPath: '/login/callback', origin: site },
}
const settings: Settings = {
  ...{ protect: ['/app'], loginPage: '/login', base: '/', isSecure: true, hosted },
}

/** A site that is a client of a real service, and the browsers that come to it. */
async function startSite(t: Test, { is_public = false } = {}) {
  const service = await listeningApp(t, { env: { PUBLIC_URL: 'https://auth.example' } })
  const { app, origin: url } = service
  await signUp(app)
  const redirect_uris = [`${site}/login/callback`]
  const { client_secret } = await addApp(service, 'shop', { redirect_uris, is_public })
  const issuer = 'https://auth.example'
  const verifier = createVerifier({ issuer, url, audience: 'gatehouse' })
  t.teardown(() => verifier.close())
  await verifier.ready
  const sent: string[] = []
  const clock = { now: Date.now }

  const middlewareWith = (clientSecret: string | undefined) =>
    createMiddleware({
      ...{ settings, url, issuer, verifier, clientSecret, addressOf: () => undefined },
      now: () => clock.now(),
      fetch: (target, init) => {
        sent.push(target.slice(url.length))
        return fetch(target, init)
      },
    })
  const good = middlewareWith(client_secret)

  /** A browser at the site. */
  function openBrowser(middleware = good) {
    const jar = new Map<string, string>()
    async function visit(path: string) {
      const href = new URL(path, site)
      const { pathname } = href
      const context: Context & { locals: Partial<GatehouseLocals> } = {
        ...{ url: href, isPrerendered: false, routePattern: pathname, locals: {} },
        request: new Request(href, { headers: { accept: 'text/html' } }),
        cookies: {
          get: (name) => (jar.has(name) ? { value: jar.get(name) ?? '' } : undefined),
          set: (name, value) => void jar.set(name, value),
          delete: (name) => void jar.delete(name),
        },
      }
      const routes: Record<string, () => Response | Promise<Response>> = {
        '/login': () => login(context),
        '/login/callback': () => callback(context),
        '/logout': async () => {
          await context.locals.gatehouse?.logout()
          return new Response()
        },
      }
      const page = () => new Response(context.locals.user?.client_id ?? 'stranger')
      const reply = await middleware(context, async () => (routes[pathname] ?? page)())
      return { reply, status: reply.status, location: reply.headers.get('location') ?? '' }
    }
    return { visit, jar }
  }

  /** What Gatehouse answers to the request that a browser was redirected to, for a user who is logged in. */
  async function authorize(location: string): Promise<string> {
    const { access_token } = await logIn(app)
    const cookie = `__Host-session=${access_token}`
    const headers = { cookie, 'x-forwarded-proto': 'https' }
    const answer = await app.inject({ url: location.slice(issuer.length), headers })
    return String(answer.headers.location)
  }

  return { ...service, clock, sent, openBrowser, authorize, middlewareWith }
}

t.test('a login by the pages of Gatehouse leads back to the page of the site', async (t) => {
  const { openBrowser, authorize, sql, sent } = await startSite(t)
  const { visit, jar } = openBrowser()
  t.equal((await visit('/app?x=1')).location, '/login?next=%2Fapp%3Fx%3D1')
  const begun = await visit('/login?next=%2Fapp%3Fx%3D1')
  t.match(begun.location, 'https://auth.example/oauth/authorize?response_type=code&client_id=shop')
  t.match(begun.location, 'code_challenge_method=S256')
  t.equal(begun.reply.headers.get('cache-control'), 'private, no-store')
  t.strictSame([...jar.keys()], ['__Host-shop_login'])
  const back = await authorize(begun.location)
  t.match(back, `${site}/login/callback?code=`)
  const finished = await visit(back)
  t.strictSame([finished.status, finished.location], [303, '/app?x=1'])
  t.match([...jar.keys()], ['__Host-shop_login', '__Host-shop_session', '__Host-shop_refresh'])
  t.equal(await (await visit('/app')).reply.text(), 'shop')
  t.equal((await visit('/login?next=/app')).location, '/app', 'no second login')

  const count = async () => (await sql('select from sessions')).length
  const before = await count()
  await visit('/logout')
  t.equal(await count(), before - 2, 'the session of the site has ended, and its login')
  t.equal((await visit('/app')).status, 303)
  t.strictSame(sent, ['/oauth/token', '/api/logout'])
})

t.test(
  'a code from another browser, an altered state and another issuer are refused',
  async (t) => {
    const { openBrowser, authorize, sent, clock } = await startSite(t)
    const [mine, other] = [openBrowser(), openBrowser()]
    const back = await authorize((await mine.visit('/login?next=/app')).location)
    const isRefused = async (browser: typeof mine, address: string, text: RegExp) => {
      const { status, reply } = await browser.visit(address)
      t.equal(status, 400)
      t.match(await reply.text(), text)
      t.equal(reply.headers.get('cache-control'), 'private, no-store')
      t.equal(reply.headers.get('referrer-policy'), 'no-referrer')
    }
    const foreign = /did not start in this browser/
    await isRefused(other, back, foreign)
    await other.visit('/login')
    await isRefused(other, back, foreign)
    const change = (name: string, to: (value: string) => string) => {
      const url = new URL(back)
      url.searchParams.set(name, to(url.searchParams.get(name) ?? ''))
      return url.href
    }
    const evil = Buffer.from('//evil.example').toString('base64url')
    await isRefused(
      mine,
      change('state', (value) => value.replace(/\.[\w-]+\./, `.${evil}.`)),
      foreign,
    )
    await isRefused(
      mine,
      change('state', () => ''),
      foreign,
    )
    await isRefused(
      mine,
      change('iss', () => 'https://evil.example'),
      foreign,
    )
    await isRefused(mine, `${back}&state=x`, foreign)
    await isRefused(
      mine,
      change('code', () => ''),
      /did not succeed/,
    )
    t.strictSame(sent, [], 'Gatehouse is not asked')
    await isRefused(
      mine,
      change('code', () => 'x'.repeat(43)),
      /has expired/,
    )
    t.equal((await mine.visit(back)).location, '/app')
    clock.now = () => Date.now() + 6_000
    await isRefused(mine, back, /has expired/)
  },
)

t.test('a callback that is loaded again at once logs in once', async (t) => {
  const { openBrowser, authorize, sent } = await startSite(t)
  const { visit } = openBrowser()
  const back = await authorize((await visit('/login?next=/app')).location)
  const answers = await Promise.all([visit(back), visit(back)])
  t.strictSame(
    answers.map(({ location }) => location),
    ['/app', '/app'],
  )
  t.strictSame(sent, ['/oauth/token'])
  t.equal((await visit('/app')).status, 200)
})

t.test('many tabs log in at the same time', async (t) => {
  const { openBrowser, authorize } = await startSite(t)
  const { visit } = openBrowser()
  const pages = ['/app/1', '/app/2', '/app/3']
  const begun = []
  for (const page of pages) begun.push(await visit(`/login?next=${page}`))
  const backs = await Promise.all(begun.map(({ location }) => authorize(location)))
  for (const [at, back] of backs.entries()) t.equal((await visit(back)).location, pages[at])
})

t.test('only a page of the site is gone to, and a long address is left out', async (t) => {
  const { openBrowser, authorize } = await startSite(t)
  for (const next of ['//evil.example', 'https://evil.example', `/${'x'.repeat(500)}`]) {
    const { visit } = openBrowser()
    const begun = await visit(`/login?next=${encodeURIComponent(next)}`)
    t.equal((await visit(await authorize(begun.location))).location, '/', next.slice(0, 30))
  }
})

t.test('a login by a provider begins at the provider', async (t) => {
  const { openBrowser } = await startSite(t)
  const { location } = await openBrowser().visit('/login?next=/app&provider=google')
  t.match(location, 'https://auth.example/auth/google?next=%2Foauth%2Fauthorize%3Fresponse_type')
  for (const odd of ['../x', 'a/b', 'a?b', ''])
    t.match(
      (await openBrowser().visit(`/login?provider=${encodeURIComponent(odd)}`)).location,
      'https://auth.example/oauth/authorize?',
    )
})

for (const is_public of [false, true]) {
  t.test(`the site renews its session ${is_public ? 'without' : 'by'} a secret`, async (t) => {
    const { openBrowser, authorize, clock, sent } = await startSite(t, { is_public })
    const { visit, jar } = openBrowser()
    await visit(await authorize((await visit('/login')).location))
    const before = jar.get('__Host-shop_refresh')
    clock.now = () => Date.now() + 870_001
    const pages = await Promise.all(['/app', '/app', '/app'].map(visit))
    t.strictSame(
      pages.map(({ status }) => status),
      [200, 200, 200],
    )
    t.not(jar.get('__Host-shop_refresh'), before)
    t.strictSame(sent, ['/oauth/token', '/oauth/token'], 'one refresh')
  })
}

t.test('a wrong secret logs nobody out, and the log of the site says it', async (t) => {
  const { openBrowser, authorize, clock, sent, middlewareWith } = await startSite(t)
  const { visit, jar } = openBrowser()
  await visit(await authorize((await visit('/login')).location))
  const wrong = openBrowser(middlewareWith('wrong'))
  for (const [name, value] of jar) wrong.jar.set(name, value)
  const log = t.capture(console, 'error')
  const lines = () => log().map(({ args }) => String(args[0]))
  sent.length = 0

  clock.now = () => Date.now() + 880_000
  const early = await wrong.visit('/app')
  t.equal(await early.reply.text(), 'shop', 'a token that is still good serves on')
  t.match(lines(), [/Gatehouse refuses this site.*GATEHOUSE_CLIENT_SECRET/])
  wrong.jar.delete('__Host-shop_session')
  for (const path of ['/app', '/app/x']) {
    const { status, reply } = await wrong.visit(path)
    t.equal(status, 500, 'it is no outage')
    t.match(await reply.text(), /configuration of the site/)
    t.notOk(reply.headers.has('retry-after'))
  }
  t.equal(await (await wrong.visit('/')).reply.text(), 'stranger')
  t.ok(wrong.jar.has('__Host-shop_refresh'))
  t.strictSame([sent, lines()], [['/oauth/token'], []], 'asked and told once')
  clock.now = () => Date.now() + 911_000
  await Promise.all(['/app', '/'].map(wrong.visit))
  t.strictSame([sent.length, lines().length], [2, 1], 'and again after half a minute')
})

t.test('a session that ended at Gatehouse loses its cookies', async (t) => {
  const { openBrowser, authorize, clock, sql } = await startSite(t)
  const { visit, jar } = openBrowser()
  await visit(await authorize((await visit('/login')).location))
  await sql('delete from sessions')
  clock.now = () => Date.now() + 870_001
  t.equal((await visit('/app')).status, 303)
  t.strictSame([...jar.keys()], ['__Host-shop_login'])
})

t.test('a site that Gatehouse does not know says so in its own log', async (t) => {
  const service = await startSite(t)
  const { visit } = service.openBrowser()
  const back = await service.authorize((await visit('/login')).location)
  await removeClient(service, 'shop')
  await t.rejects(visit(back), { code: 'invalid_client', message: /GATEHOUSE_CLIENT_SECRET/ })
})

t.test('the integration adds two routes to a site that is a client', (t) => {
  const routesOf = (options: GatehouseOptions, trailingSlash?: 'always') => {
    const routes: string[] = []
    gatehouse(options).hooks['astro:config:setup']({
      ...{ command: 'build', addMiddleware: () => 0, updateConfig: () => 0 },
      config: { base: '/', ...(trailingSlash && { trailingSlash }) },
      injectRoute: ({ pattern }) => routes.push(pattern),
    })
    return routes
  }
  t.strictSame(routesOf({}), [])
  t.strictSame(routesOf({ clientId: 'shop' }), ['/login/hosted', '/login/callback'])
  t.strictSame(routesOf({ clientId: 'shop', login: 'hosted', loginPage: '/enter' }), [
    '/enter',
    '/enter/callback',
  ])
  t.throws(() => gatehouse({ login: 'hosted' }), /needs a clientId/)
  t.throws(() => gatehouse({ clientId: 'A shop' }), /no clientId/)
  t.end()
})

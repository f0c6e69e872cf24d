import { Agent, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createAddressOf, followSockets } from '../../packages/client/src/astro/address.js'
import { createAttest } from '../../packages/client/src/astro/attest.js'
import { createMiddleware } from '../../packages/client/src/astro/middleware.js'
import type { Context, GatehouseLocals } from '../../packages/client/src/astro/types.js'
import { GatehouseError } from '../../packages/client/src/errors.js'
import { ada, listeningApp } from '../support/app.js'
import { addSite } from '../support/oauth.js'

t.test('of 1,000 browsers behind a site, only the attacker is refused', async (t) => {
  const env = { RATE_LIMIT: 'on', TRUST_PROXY: 'none', RATE_LIMIT_LOGIN: '20/15m' }
  const service = await listeningApp(t, { env })
  const siteKey = await addSite(service)
  const accounts = Array.from({ length: 10 }, (_, nth) => ({
    email: `user-${nth}@example.org`,
    password: ada.password,
  }))
  for (const payload of accounts)
    await service.app.inject({ method: 'POST', url: '/api/register', payload })

  const visit = await startSite(t, service.origin, siteKey)
  const attack = async (nth: number) => {
    const { email } = accounts[nth % 10] ?? ada
    // A forged address for each guess.
    return visit({ email, password: 'guess' }, '127.99.99.99', `198.51.100.${nth}`)
  }
  const guesses = await inLanes(40, attack)
  t.equal(guesses.filter((code) => code === 'invalid_credentials').length, 20)
  t.equal(guesses.filter((code) => code === 'rate_limited').length, 20)
  const logins = await inLanes(1_000, (nth) =>
    visit(accounts[nth % 10] ?? ada, `127.1.${Math.floor(nth / 250)}.${(nth % 250) + 1}`),
  )
  t.same([...new Set(logins)], ['success'])
  t.equal(await visit(accounts[0] ?? ada, '127.99.99.99', '127.1.0.1'), 'rate_limited')
})

/** A site with the middleware of the Astro integration. Returns how a browser logs in to it. */
async function startSite(t: Test, url: string, siteKey: string) {
  followSockets()
  const middleware = createMiddleware({
    settings: { protect: [], loginPage: '/login', base: '/', isSecure: false },
    url,
    verifier: {
      isReady: () => true,
      ready: Promise.resolve(),
      verify: () => Promise.reject(new Error()),
    },
    addressOf: createAddressOf(''),
    attest: createAttest(siteKey, url),
  })
  const server = createServer((incoming, response) => {
    void text(incoming).then(async (body) => {
      const target = new URL(incoming.url ?? '/', 'http://site')
      const headers = new Headers(incoming.headers as Record<string, string>)
      const context = {
        ...{ url: target, request: new Request(target, { headers }), isPrerendered: false },
        ...{ routePattern: '/login', locals: {} },
        cookies: { get: () => undefined, set: () => undefined, delete: () => undefined },
      } satisfies Context
      await middleware(context, async () => {
        const { gatehouse } = context.locals as GatehouseLocals
        const login = JSON.parse(body) as { email: string; password: string }
        const code = await gatehouse.login(login).then(
          () => 'success',
          (error: unknown) => (error instanceof GatehouseError ? error.code : String(error)),
        )
        response.end(code)
        return new Response()
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.teardown(() => server.close())
  return (login: object, localAddress: string, forwardedFor?: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = {
        'user-agent': 'Browser',
        ...(forwardedFor && { 'x-forwarded-for': forwardedFor }),
      }
      const agent = new Agent()
      httpRequest(
        { host: '127.0.0.1', port, localAddress, headers, agent, method: 'POST' },
        (reply) => resolve(text(reply)),
      )
        .on('error', reject)
        .end(JSON.stringify(login))
    })
}

/** Runs the work so often, eight at a time. */
async function inLanes(count: number, work: (nth: number) => Promise<string>): Promise<string[]> {
  const results: string[] = []
  let next = 0
  const lane = async () => {
    while (next < count) results.push(await work(next++))
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  return results
}

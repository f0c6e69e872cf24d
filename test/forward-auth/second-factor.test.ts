import t from 'tap'
import { createKey } from '../support/api-keys.js'
import {
  app1,
  authHost,
  logInAt,
  navigation,
  openBrowser,
  tokenAt,
  withHosts,
  type HostsBrowser,
  type HostsService,
} from '../support/app-hosts.js'
import { claimsOf } from '../support/oauth.js'
import { ada, bearer, logIn } from '../support/app.js'
import { authenticator } from '../support/authenticator.js'
import { addPasskey, useOf } from '../support/passkeys.js'
import { signedIn, type Headers } from '../support/forward-auth.js'

t.test('a login without the factor is refused, in the cookie and as Bearer', async (t) => {
  const { ask, access_token, token } = await signedIn(t)
  for (const by of [token, { cookie: `session=${access_token}` }] as Headers[]) {
    t.equal((await ask(by)).statusCode, 200)
    for (const path of ['/forward-auth/mfa', '/forward-auth/mfa/role/user']) {
      const answer = await ask(by, path)
      t.equal(answer.statusCode, 403, path)
      t.match(answer.json(), { code: 'second_factor_missing' })
      t.equal(answer.headers['remote-user'], undefined)
    }
    t.match((await ask(by, '/forward-auth/mfa/role/admin')).json(), { code: 'forbidden' })
  }
  t.equal((await ask({}, '/forward-auth/mfa')).statusCode, 401)
})

t.test('a login with the factor passes, by any method', async (t) => {
  const { app, ask, sql, refresh_token } = await signedIn(t)
  await sql(`update sessions set amr = '{pwd,otp,mfa}', rotated_at = now() - interval '1 minute'`)
  const refreshed = await app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token },
  })
  const own = bearer(refreshed.json<{ access_token: string }>().access_token)
  for (const method of ['GET', 'HEAD', 'POST', 'PROPFIND'])
    for (const path of ['/forward-auth/mfa', '/forward-auth/mfa/role/user'])
      t.match(await ask(own, path, method), {
        statusCode: 200,
        headers: { 'remote-groups': 'user' },
      })
  t.equal((await ask(own, '/forward-auth/mfa/role/admin')).statusCode, 403)
  t.equal((await ask(own, '/forward-auth/mfa/x')).statusCode, 404)
})

t.test('an API key has no factor', async (t) => {
  const service = await signedIn(t)
  const { key } = await createKey(service, service.access_token, { roles: ['user'] })
  t.equal((await service.ask(bearer(key))).statusCode, 200)
  for (const path of ['/forward-auth/mfa', '/forward-auth/mfa/role/user'])
    t.equal((await service.ask(bearer(key), path)).statusCode, 403, path)
})

t.test('the cookie of an app host says how the user logged in', async (t) => {
  const service = await withHosts(t)
  const { sql, clock } = service
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const ask = () =>
    service.proxied(app1, '/forward-auth/mfa', { headers: { cookie: browser.cookieOf(app1) } })
  t.match((await ask()).json(), { code: 'second_factor_missing' })
  await sql(`update sessions set amr = '{pwd,otp,mfa}', rotated_at = now() - interval '20 minutes'`)
  clock.ahead = 1_000
  await browser.visit(app1)
  t.match(claimsOf(tokenAt(browser, app1)).amr, ['pwd', 'otp', 'mfa'])
  t.equal((await ask()).statusCode, 200)
})

/** What the proxy of app1 asks for a page that a browser opens there. */
const openPage = (service: HostsService, browser: HostsBrowser, headers: Headers = {}) =>
  service.proxied(app1, '/forward-auth/mfa', {
    headers: {
      ...navigation,
      'x-forwarded-uri': '/page?a=1',
      cookie: browser.cookieOf(app1),
      ...headers,
    },
  })
const stepUp = `https://${app1}/forward-auth/login?next=%2Fpage%3Fa%3D1&acr_values=mfa`

t.test('on the host of an app a browser is sent to give the factor', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  const weak = await logInAt(service, browser)
  const nginx = await openPage(service, browser)
  t.match([nginx.statusCode, nginx.headers.location], [401, stepUp])
  t.match(nginx.json(), { code: 'insufficient_user_authentication' })
  t.match(
    nginx.headers['www-authenticate'],
    /error="insufficient_user_authentication", acr_values="mfa"/,
  )
  const caddy = await openPage(service, browser, { 'x-forwarded-method': 'GET' })
  t.match([caddy.statusCode, caddy.headers.location], [302, stepUp])

  const login = new URL((await browser.follow(stepUp)).places.at(-1)!)
  t.match([login.pathname, login.searchParams.get('prompt')], ['/login', 'login'])
  await service.sql(`update sessions set amr = '{pwd,otp,mfa}'`)
  const { places } = await browser.follow(stepUp)
  t.equal(places.at(-1), `https://${app1}/page?a=1`)
  t.not(tokenAt(browser, app1), weak, 'the session that is alive was not kept')
  t.same(claimsOf(tokenAt(browser, app1)).amr, ['pwd', 'otp', 'mfa'])
  t.equal((await openPage(service, browser)).statusCode, 200)
  const again = await browser.follow(places.at(-2)!)
  t.equal(again.places.at(-1), `https://${app1}/page?a=1`, 'the callback may be loaded again')
})

t.test('a browser without a login logs in once, with the factor', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  const nginx = await openPage(service, browser)
  t.match([nginx.statusCode, nginx.headers.location], [401, stepUp])
  t.match(nginx.json(), { code: 'invalid_token' })
  for (const path of ['/forward-auth/mfa', '/forward-auth/mfa/role/user']) {
    const headers = { ...navigation, 'x-forwarded-uri': '/page?a=1', 'x-forwarded-method': 'GET' }
    const caddy = await service.proxied(app1, path, { headers })
    t.match([caddy.statusCode, caddy.headers.location], [302, stepUp], path)
  }
  t.equal((await browser.visit(app1)).headers.location, stepUp.replace('&acr_values=mfa', ''))
})

t.test('a user who has no factor gets a page, and is not sent round', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const asked = (await browser.follow(stepUp)).places.at(-1)!
  await service.app.inject({ method: 'POST', url: '/api/login', payload: ada }).then((answer) => {
    const { access_token } = answer.json<{ access_token: string }>()
    browser.jarOf(authHost).set('__Host-session', access_token)
  })
  const next = new URL(asked).searchParams.get('next') ?? ''
  const { places, answer } = await browser.follow(`https://${authHost}${next}`)
  t.match(places.at(-1), /^https:..app1.example.org.forward-auth.callback.*unmet_authentication/)
  t.equal(answer.statusCode, 403)
  for (const path of ['/second-factor', '/account/passkeys'])
    t.match(answer.body, `href="https://${authHost}${path}"`)
  t.equal(answer.headers['content-type'], 'text/html; charset=utf-8')
})

t.test('a user whose factor is a passkey passes after a login by it', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  const device = authenticator({ origin: `https://${authHost}` })
  await addPasskey(service, await logIn(service.app), device)
  const asked = (await browser.follow(stepUp)).places.at(-1)!
  const { access_token } = (await useOf(service, device)).body
  browser.jarOf(authHost).set('__Host-session', String(access_token))
  const next = new URL(asked).searchParams.get('next') ?? ''
  const { places } = await browser.follow(`https://${authHost}${next}`)
  t.equal(places.at(-1), `https://${app1}/page?a=1`)
})

t.test('nobody else is sent to give the factor', async (t) => {
  const service = await withHosts(t)
  const browser = openBrowser(service)
  await logInAt(service, browser)
  const refused = { statusCode: 403, headers: { location: undefined } }
  const others: Record<string, Headers> = {
    'a script': { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    'a form': { 'x-forwarded-method': 'POST', origin: `https://${app1}` },
    'no page': { 'x-forwarded-uri': '' },
  }
  for (const [what, headers] of Object.entries(others))
    t.match(await openPage(service, browser, headers), refused, what)
  const own = { cookie: browser.cookieOf(authHost), 'x-forwarded-host': authHost, host: authHost }
  t.match(
    await openPage(service, browser, own),
    refused,
    "on Gatehouse's own host it would go round",
  )
})

import t from 'tap'
import { createKey } from '../support/api-keys.js'
import { app1, logInAt, openBrowser, tokenAt, withHosts } from '../support/app-hosts.js'
import { claimsOf } from '../support/oauth.js'
import { bearer } from '../support/app.js'
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

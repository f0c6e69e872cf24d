import t, { type Test } from 'tap'
import { ada, bearer, listeningApp } from '../../support/app.js'
import { newVerifier, withApps } from '../../support/authorization.js'
import { browserSession, type Answered } from '../../support/browser-session.js'
import { codeOf, poster } from '../../support/factors.js'
import { claimsOf } from '../../support/oauth.js'

const nextOf = (location: string | null) =>
  new URLSearchParams((location ?? '').split('?')[1]).get('next') ?? ''
const challengeIn = ({ html }: Answered) => /name="challenge" value="([^"]*)"/.exec(html)?.[1] ?? ''
const isUnmet = /[?&]error=unmet_authentication_requirements&/

/** A browser of Ada, and what an app asks with `acr_values=mfa`. */
async function start(t: Test, acr_values = 'mfa') {
  const test = await withApps(await listeningApp(t))
  const { app, origin, sql, shop, login, requestOf, exchange } = test
  const browser = browserSession(origin)
  const verifier = newVerifier()
  const query = { ...requestOf(shop, verifier), acr_values } as Record<string, string>
  const path = `/oauth/authorize?${new URLSearchParams(query)}`
  const post = poster(app)
  let key = ''

  async function addFactor() {
    const own = bearer(login.access_token)
    key = String((await post('/api/user/factors/totp', undefined, own)).body.key)
    const { status } = await post('/api/user/factors/totp/confirm', { code: codeOf(key) }, own)
    t.equal(status, 200)
  }

  const logIn = (next = '/') =>
    browser.post('/login', { username: ada.email, password: ada.password, next })

  async function giveCode(asked: Answered, next = '/', more: Record<string, string> = {}) {
    await sql('update totp_factors set last_step = 0')
    const form = { challenge: challengeIn(asked), code: codeOf(key), next, ...more }
    return browser.post('/login/verify', form)
  }

  /** The claims that the app gets. */
  async function finish({ location }: Answered) {
    const code = new URL(location ?? '').searchParams.get('code') ?? ''
    const answer = await exchange(shop, code, verifier)
    return claimsOf(answer.json<{ access_token: string }>().access_token)
  }

  return { ...test, browser, path, query, addFactor, logIn, giveCode, finish }
}

t.test('acr_values=mfa asks for the factor, and the app gets it in amr', async (t) => {
  const { browser, path, addFactor, logIn, giveCode, finish } = await start(t)
  await addFactor()
  const { location } = await browser.get(path)
  t.match(location, /^\/login\?next=/)
  const next = nextOf(location)
  await giveCode(await logIn(next), next)
  t.same((await finish(await browser.get(next))).amr, ['pwd', 'otp', 'mfa'])
  t.match((await browser.get(path)).location, /[?&]code=/, 'from then on nobody is asked')
})

t.test('a login from before the factor is asked for again', async (t) => {
  const { browser, path, sql, addFactor, logIn, giveCode, finish } = await start(t)
  await addFactor()
  await giveCode(await logIn())
  await sql(`update sessions set amr = '{pwd}'`)
  const { location } = await browser.get(path)
  t.match(location, /^\/login\?next=.*&prompt=login$/)
  const next = nextOf(location)
  await giveCode(await logIn(next), next)
  t.same((await finish(await browser.get(next))).amr, ['pwd', 'otp', 'mfa'])
})

t.test('on a trusted device the factor is asked for all the same', async (t) => {
  const { browser, path, addFactor, logIn, giveCode } = await start(t)
  await addFactor()
  await giveCode(await logIn(), '/', { trust: 'on' })
  browser.cookies.delete('session')
  browser.cookies.delete('refresh')
  t.equal((await logIn()).status, 303, 'the device is trusted')
  const next = nextOf((await browser.get(path)).location)
  const asked = await logIn(next)
  t.equal(asked.status, 403)
  await giveCode(asked, next)
  t.match((await browser.get(next)).location, /[?&]code=/)
})

t.test('the app learns that the user has no second factor', async (t) => {
  const { browser, path, logIn } = await start(t)
  const next = nextOf((await browser.get(path)).location)
  await logIn(next)
  t.match((await browser.get(next)).location, isUnmet)
})

t.test('without a page there is no code for a login without the factor', async (t) => {
  const { authorize, query, cookie } = await start(t)
  const { back } = await authorize({ ...query, prompt: 'none' }, { cookie })
  t.match(back, { error: 'login_required', state: 'a state' })
})

t.test('one value that is known is enough, and none is refused', async (t) => {
  const { authorize, query, cookie } = await start(t)
  for (const acr_values of ['mfa phr', 'phr mfa'])
    t.match((await authorize({ ...query, acr_values }, { cookie })).location, /^\/login\?/)
  for (const acr_values of ['phr', 'MFA', 'mfax', 'x y', ' '])
    t.match((await authorize({ ...query, acr_values }, { cookie })).location, isUnmet, acr_values)
  const twice = `${new URLSearchParams(query)}&acr_values=mfa`
  t.match((await authorize(twice, { cookie })).back, { error: 'invalid_request' })
})

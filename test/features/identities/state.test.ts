import t from 'tap'
import { createLogger } from '../../../src/log/logger.js'
import { publicUrl, refusal, refused, socialApp } from '../../support/social/app.js'
import { startForger, type Forgery } from '../../support/social/forger.js'
import { githubServer, type GithubPerson } from '../../support/social/github.js'
import { openidProvider } from '../../support/social/openid-provider.js'
import { visit, type Traveller } from '../../support/social/traveller.js'

const forger = await startForger(t, publicUrl)
const github = await githubServer(t, publicUrl)
const env = { ...forger.env, ...github.env }
let minutes = 0
const now = () => new Date(Date.now() + minutes * 60_000)
const app = await socialApp(t, { env, now })
const peer = await socialApp(t, { env, now, url: app.url })
const { browser, counts } = app
const invalid = refused(400, 'invalid_state')
const cookieName = '__Host-social'
const email = 'grace@example.org'
const grace: GithubPerson = {
  id: 7,
  login: 'grace',
  emails: [{ email, primary: true, verified: true }],
}

t.test('a callback cannot be replayed, not even with a saved cookie', async (t) => {
  for (const forgery of [{}, { claims: { nonce: 'wrong' } }, { token: broken }] as Forgery[]) {
    const { visitor, page, cookie } = await leave()
    const { callback } = forger.back(page, forgery)
    const first = await visitor.comeBack(callback)
    t.equal(first.status === 303, Object.keys(forgery).length === 0, `${first.status}`)
    t.equal(visitor.cookie(cookieName), '')
    const before = await counts()
    for (const again of [visitor, browser(), peer.browser()]) {
      for (const saved of [undefined, cookie, `${cookie}A`, `${cookie}=`, `${cookie}.`]) {
        for (const url of [callback, forger.back(page).callback]) {
          if (saved !== undefined) again.home.cookies.set(cookieName, saved)
          t.same(
            refusal(await again.comeBack(url)),
            invalid,
            `with a cookie of ${saved?.length} characters`,
          )
        }
      }
    }
    t.same(await counts(), before)
  }
})

t.test('of concurrent callbacks with one transaction, one succeeds', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const { page, cookie } = await leave()
    const before = (await counts())!
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const visitor = (index % 2 ? app : peer).browser()
        visitor.home.cookies.set(cookieName, cookie)
        return visitor.comeBack(forger.back(page).callback)
      }),
    )
    const [inside, outside] = [303, 400].map((status) =>
      answers.filter((answer) => answer.status === status),
    )
    t.equal(inside?.length, 1)
    t.equal(outside?.length, 19)
    for (const answer of outside ?? []) t.same(refusal(answer), invalid)
    const { sessions, users } = before
    t.match(await counts(), { sessions: sessions + 1, users: users + 1 })
  }
})

t.test('an instance completes a login that another instance started', async (t) => {
  const { page, cookie } = await leave()
  const visitor = peer.browser()
  visitor.home.cookies.set(cookieName, cookie)
  t.equal((await visitor.comeBack(forger.back(page).callback)).status, 303)
})

t.test('a callback for the login of another browser is refused', async (t) => {
  const mallory = await leave()
  const { callback } = forger.back(mallory.page)
  const before = await counts()
  t.same(refusal(await browser().comeBack(callback)), invalid, 'without a started login')
  const victim = await leave()
  t.same(refusal(await victim.visitor.comeBack(callback)), invalid, 'during another login')
  t.same(await counts(), before)
  t.equal(
    (await mallory.visitor.comeBack(callback)).status,
    303,
    'the callback still works in its own browser',
  )
})

t.test('a code of another login is refused', async (t) => {
  const openid = await openidProvider(t, publicUrl)
  const real = await socialApp(t, { env: { ...openid.env, ...github.env } })
  const eve = { sub: 'eve', email: 'eve@example.org', email_verified: true }
  for (const [provider, person] of [
    ['oidc', eve],
    ['github', grace],
  ] as const) {
    const mallory = real.browser()
    const stolen = await mallory.arrive(provider, person)
    const victim = real.browser()
    const own = await victim.leave(provider)
    const callback = new URL(stolen)
    callback.searchParams.set('state', own.searchParams.get('state') ?? '')
    const back = await victim.comeBack(callback)
    t.same(refusal(back), refused(401, 'provider_refused'), provider)
  }
  t.match(await real.counts(), { users: 0, sessions: 0 })
})

t.test('a login at the provider expires after ten minutes', async (t) => {
  t.teardown(() => (minutes = 0))
  for (const [later, ok] of [
    [9.9, true],
    [10, false],
    [60, false],
  ] as const) {
    minutes = 0
    const { visitor, page } = await leave()
    minutes = later
    const back = await visitor.comeBack(forger.back(page).callback)
    if (ok) t.equal(back.status, 303, `${later} minutes`)
    else t.same(refusal(back), invalid, `${later} minutes`)
  }
})

t.test('a modified transaction cookie is refused', async (t) => {
  const { visitor, page, cookie } = await leave()
  const { callback } = forger.back(page)
  const bytes = Buffer.from(cookie, 'base64url')
  const changed = Array.from(bytes, (byte, index) => {
    const copy = Buffer.from(bytes)
    copy[index] = byte ^ (1 << (index % 8))
    return copy.toString('base64url')
  })
  const others = [
    '',
    'A',
    cookie.slice(0, 16),
    cookie.slice(0, 38),
    cookie.slice(0, -4),
    cookie.slice(4),
    cookie + cookie,
    cookie.toUpperCase(),
    `${cookie}AAAA`,
    '\u0000',
    'x'.repeat(3_000),
    JSON.stringify({ provider: 'oidc', state: page.searchParams.get('state') }),
    Buffer.from('{"provider":"oidc","state":"x"}').toString('base64url'),
  ]
  const before = await counts()
  for (const value of [...changed, ...others]) {
    visitor.home.cookies.set(cookieName, encodeURIComponent(value))
    const { status } = await visitor.comeBack(callback)
    if (status !== 400) t.fail(`${value} was answered ${status}`)
  }
  const { sealed } = (
    await app.sql<{ sealed: Buffer }>(
      'select sealed_private_key as sealed from signing_keys limit 1',
    )
  )[0]!
  visitor.home.cookies.set(cookieName, sealed.toString('base64url'))
  t.same(
    refusal(await visitor.comeBack(callback)),
    invalid,
    'a text that was encrypted for another purpose',
  )
  t.same(await counts(), before)
  visitor.home.cookies.set(cookieName, cookie)
  t.equal((await visitor.comeBack(callback)).status, 303, 'the unmodified cookie')
})

t.test('the transaction is read only from the cookie __Host-social', async (t) => {
  const { visitor, page, cookie } = await leave()
  visitor.home.cookies.delete(cookieName)
  for (const name of ['social', '__host-social', '__Secure-social']) {
    visitor.home.cookies.set(name, cookie)
    t.same(refusal(await visitor.comeBack(forger.back(page).callback)), invalid, name)
  }
})

t.test('a callback for one provider is refused at another (mix-up)', async (t) => {
  const { visitor, page, cookie } = await leave()
  const { callback } = forger.back(page)
  const mixedUp = new URL(callback.href.replace('/oidc/', '/github/'))
  t.same(refusal(await visitor.comeBack(mixedUp)), invalid)
  visitor.home.cookies.set(cookieName, cookie)
  t.notOk(visitor.cookie('session'))

  const asked = forger.paths.filter((path) => path === '/token').length
  const other = browser()
  const github = await visit(await other.leave('github'), grace, publicUrl)
  const theirs = new URL(github.href.replace('/github/', '/oidc/'))
  theirs.searchParams.set('iss', forger.issuer)
  t.same(refusal(await other.comeBack(theirs)), invalid)
  t.equal(
    forger.paths.filter((path) => path === '/token').length,
    asked,
    'no code is sent to the wrong provider',
  )
})

t.test('the state must equal that of the login exactly', async (t) => {
  const another = await leave()
  for (const change of [
    () => '',
    () => 'x',
    () => another.page.searchParams.get('state') ?? '',
    (state: string) => state.slice(0, -1),
    (state: string) => `${state}x`,
    (state: string) => state.toUpperCase(),
    (state: string) => ` ${state}`,
    (_state: string, page: URL) => page.searchParams.get('nonce') ?? '',
  ]) {
    const { visitor, page } = await leave()
    const { callback } = forger.back(page)
    callback.searchParams.set('state', change(callback.searchParams.get('state') ?? '', page))
    t.same(refusal(await visitor.comeBack(callback)), invalid, callback.search)
  }
  const { visitor, page } = await leave()
  const without = forger.back(page, { callback: { state: undefined } })
  t.same(refusal(await visitor.comeBack(without.callback)), invalid)
})

t.test('an error of the provider needs the state of the login', async (t) => {
  const { visitor, page } = await leave()
  const error = { code: undefined, error: 'access_denied' }
  const { callback } = forger.back(page, { callback: { ...error, state: 'x' } })
  t.same(refusal(await visitor.comeBack(callback)), invalid)
  t.same(refusal(await browser().comeBack(callback)), invalid)
})

t.test('a browser can complete only the login that it started last', async (t) => {
  const visitor = browser()
  const [first, second] = [await visitor.leave('oidc'), await visitor.leave('oidc')]
  const cookie = visitor.cookie(cookieName)
  t.same(refusal(await visitor.comeBack(forger.back(first).callback)), invalid)
  visitor.home.cookies.set(cookieName, cookie)
  t.not(first.href, second.href)
})

t.test('the log contains no secret of a login', async (t) => {
  const lines: string[] = []
  const logger = createLogger('trace', { write: (line) => void lines.push(line) })
  const loud = await socialApp(t, { env, logger })
  const secrets = new Set([forger.env.OIDC_CLIENT_SECRET, github.env.GITHUB_CLIENT_SECRET])
  const forgeries: Forgery[] = [
    {},
    { claims: { nonce: 'wrong' } },
    { claims: { aud: 'wrong' } },
    { key: ({ foreign }) => foreign },
    { token: { token_type: 'mac' } },
    { userinfo: { sub: 'wrong' } },
    { userinfo: broken },
    { token: broken },
    { callback: { iss: 'wrong' } },
  ]
  for (const forgery of forgeries) {
    const visitor = loud.browser()
    const page = await visitor.leave('oidc')
    secrets.add(visitor.cookie(cookieName)).add(page.searchParams.get('nonce') ?? '')
    const keepToken: Forgery['idToken'] = ({ signed }) => {
      secrets.add(signed).add(signed.split('.')[1] ?? '')
      return signed
    }
    const { callback, code } = forger.back(page, { idToken: keepToken, ...forgery })
    secrets.add(code).add(page.searchParams.get('state') ?? '')
    await visitor.comeBack(callback)
    for (const name of ['session', 'refresh']) secrets.add(visitor.cookie(name))
  }
  const visitor = loud.browser()
  const callback = await visitor.arrive('github', grace)
  secrets.add(callback.searchParams.get('code') ?? '')
  await visitor.comeBack(callback)
  secrets.delete('')
  const log = lines.join('')
  t.match(log, '/auth/oidc/callback', 'the request is in the log')
  t.ok(secrets.size > 40)
  for (const secret of secrets) t.notOk(log.includes(secret), `${secret.slice(0, 60)} in the log`)
})

/** Starts a login and returns the browser, the URL of the provider and the transaction cookie. */
async function leave(): Promise<{ visitor: Traveller; page: URL; cookie: string }> {
  const visitor = browser()
  const page = await visitor.leave('oidc')
  return { visitor, page, cookie: visitor.cookie(cookieName) }
}

function broken(response: { destroy(): void }): void {
  response.destroy()
}
